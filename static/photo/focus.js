// The plane that stays still when the camera moves: it glides to a depth that somebody chose, and lights up for a moment.

const GLIDE = 0.14; // seconds: time constant with which the plane follows a choice
const THERE = 0.002; // of the range from near to far: closer than this it has arrived
const SHINE = 1.1; // seconds for which the chosen plane is lit
const LONGEST_STEP = 0.1; // seconds: after a pause it does not jump

/** Depths go in and out in scene units; in between it counts in inverse depth, as the eye and the screen do. */
export class Focus {
  /** Read by the surface's shader: `still` is an inverse depth, `band` how much of it is lit around that, `shine` 0..1. */
  uniforms = { still: { value: 1 }, band: { value: 1 }, shine: { value: 0 } };

  #near = 1; // inverse depths
  #far = 0;
  #goal = 1;
  #last = null;

  /** Begin anew with a 3D photo's own plane. */
  reset({ near, far, focus }) {
    [this.#near, this.#far, this.#goal] = [1 / near, 1 / far, 1 / focus];
    this.uniforms.still.value = this.#goal;
    this.uniforms.band.value = 0.06 * (this.#near - this.#far);
    this.uniforms.shine.value = 0;
  }

  /** Where the plane is now. */
  get depth() {
    return 1 / this.uniforms.still.value;
  }

  /** Where it goes, as a share of the way from the far plane (0) to the near one (1). */
  get share() {
    return (this.#goal - this.#far) / (this.#near - this.#far);
  }

  /** Go to a depth within the photo's range; `calm`: at once. */
  choose(depth, calm = false) {
    this.#goal = Math.min(Math.max(1 / depth, this.#far), this.#near);
    if (calm) this.uniforms.still.value = this.#goal;
    this.uniforms.shine.value = 1;
    this.#last = null;
  }

  /** Go on by a share of the range, nearer or (below 0) farther. */
  shift(share, calm = false) {
    this.choose(1 / (this.#goal + share * (this.#near - this.#far)), calm);
  }

  /** One frame at `now` (seconds); whether it changed what is seen. */
  step(now) {
    const { still, shine } = this.uniforms;
    if (still.value === this.#goal && shine.value === 0) return false;
    const elapsed = this.#last === null ? 1 / 60 : Math.min(now - this.#last, LONGEST_STEP);
    this.#last = now;
    const left = this.#goal - still.value;
    const arrived = Math.abs(left) < THERE * (this.#near - this.#far);
    still.value = arrived ? this.#goal : still.value + left * (1 - Math.exp(-elapsed / GLIDE));
    shine.value = Math.max(0, shine.value - elapsed / SHINE);
    return true;
  }
}
