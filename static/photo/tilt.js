// From how a device is held to where the camera stands on its disc. Pure numbers: no events, no screen.

const DEGREE = Math.PI / 180;
const FULL_TILT = Math.sin(18 * DEGREE); // turning the device this far moves the camera to the edge of the disc
const FOLLOW = 4; // seconds in which the baseline follows how the device is held

/** Unit vector out of the screen in world coordinates; angles in degrees as the deviceorientation event gives them. */
export function normalOf(alpha, beta, gamma) {
  const [a, b, c] = [alpha * DEGREE, beta * DEGREE, gamma * DEGREE];
  return [
    Math.cos(a) * Math.sin(c) + Math.sin(a) * Math.sin(b) * Math.cos(c),
    Math.sin(a) * Math.sin(c) - Math.cos(a) * Math.sin(b) * Math.cos(c),
    Math.cos(b) * Math.cos(c),
  ];
}

/** A world vector in the device's own coordinates (x right, y up, in its natural orientation): R^T v. */
function toDevice([x, y, z], alpha, beta, gamma) {
  const [a, b, c] = [alpha * DEGREE, beta * DEGREE, gamma * DEGREE];
  const [ca, sa, cb, sb, cc, sc] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b), Math.cos(c), Math.sin(c)];
  return [
    x * (ca * cc - sa * sb * sc) + y * (sa * cc + ca * sb * sc) - z * cb * sc,
    -x * sa * cb + y * ca * cb + z * sb,
  ];
}

/**
 * The eye stays where it was while the device turns: seen from the device, it moves. That needs no Euler angles, so
 * nothing jumps where they do. The baseline, the direction to the eye, slowly follows the screen's normal.
 */
export class Tilt {
  #eye = null;
  #time = 0;

  /** Forget how the device was held. */
  reset() {
    this.#eye = null;
  }

  /**
   * Where the camera is now, (right, up) in radii of the disc; null if the event says nothing.
   * `screenAngle`: degrees by which the screen is rotated; `time` in seconds.
   */
  read({ alpha, beta, gamma }, screenAngle, time) {
    if (beta === null || gamma === null || beta === undefined || gamma === undefined) return null;
    const normal = normalOf(alpha ?? 0, beta, gamma);
    const share = this.#eye ? 1 - Math.exp(-Math.max(0, time - this.#time) / FOLLOW) : 1;
    const eye = normal.map((value, i) => (this.#eye?.[i] ?? value) * (1 - share) + value * share);
    const length = Math.hypot(...eye) || 1;
    this.#eye = eye.map((value) => value / length);
    this.#time = time;
    const [x, y] = toDevice(this.#eye, alpha ?? 0, beta, gamma);
    const [cos, sin] = [Math.cos(screenAngle * DEGREE), Math.sin(screenAngle * DEGREE)];
    return [(x * cos - y * sin) / FULL_TILT, (x * sin + y * cos) / FULL_TILT];
  }
}
