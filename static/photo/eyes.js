// Where two eyes are on the camera's disc, and where a head may be in a headset. Pure numbers.

// Radii of the disc from the middle to each eye. The two eyes' pictures then differ by the photo's range, 3 per cent of
// the width between the nearest and the farthest point: what films keep to, so that eyes need not strain.
const EYE = 0.5;

// Metres from the middle to where the head may move; holes would open behind edges beyond. It sets the scene's size:
// with the usual range the nearest things are 2.4 metres away.
export const ROOM = 0.1;
const HALF = 0.032; // metres from the middle of the head to each eye: they, too, stay within the room

/** Where the left and the right eye are, around one place on the disc; both stay on the disc. */
export function eyes([right, up]) {
  return [-EYE, EYE].map((aside) => [right * (1 - EYE) + aside, up * (1 - EYE)]);
}

/** How far the scene must go along, so that a head at `head` (metres, x y z) does not leave the room. */
export function goAlong(head) {
  const length = Math.hypot(...head);
  const most = ROOM - HALF;
  return head.map((value) => (length > most ? value * (1 - most / length) : 0));
}
