// The camera on its disc: the same geometry as app/camera.py's `project`, as a frustum that a GPU understands.
// Pure numbers, so that it can be checked against that file without a browser.

// The photo's frame stands still on the plane at depth `focus`: the frustum is sheared, not turned.
const CLIP_NEAR = 0.5; // of the nearest depth
const CLIP_FAR = 2; // of the farthest

/**
 * Where the camera is and what it sees.
 *
 * `photo` is asset.extras.tiefblick of a 3D photo: width, height and focal in lattice pixels; near, far, focus and
 * radius in scene units; zoom is the share of the photo that is shown. `offset` is (right, up) in radii of the disc.
 * `focus` is the depth that stays still. Returns the position, and left, right, bottom, top on the near clip plane.
 */
export function frustum(photo, [right, up], focus = photo.focus) {
  const near = photo.near * CLIP_NEAR;
  const radius = photo.radius * reach(photo, focus);
  const x = right * radius;
  const y = up * radius;
  const halfWidth = (near * photo.zoom * photo.width) / (2 * photo.focal);
  const halfHeight = (near * photo.zoom * photo.height) / (2 * photo.focal);
  const shearX = (-near * x) / focus;
  const shearY = (-near * y) / focus;
  return {
    position: [x, y, 0],
    left: shearX - halfWidth,
    right: shearX + halfWidth,
    bottom: shearY - halfHeight,
    top: shearY + halfHeight,
    near,
    far: photo.far * CLIP_FAR,
  };
}

/**
 * Share of the disc that the camera may use while depth `focus` stays still. `zoom` hides the frame's edges as long as
 * nothing moves over the screen by more than that margin; what is farthest from a plane at the front or the back would
 * move by up to twice as much, so the camera's way is shortened instead: no crop jumps, and no edge shows.
 */
export function reach(photo, focus) {
  const farthest = Math.max(1 / photo.near - 1 / focus, 1 / focus - 1 / photo.far);
  const margin = ((1 - photo.zoom) / 2) * Math.min(photo.width, photo.height);
  return Math.min(1, margin / (photo.radius * photo.focal * farthest));
}

/** Shorten a vector that points out of the unit disc. */
export function intoDisc([x, y]) {
  const length = Math.hypot(x, y);
  return length > 1 ? [x / length, y / length] : [x, y];
}
