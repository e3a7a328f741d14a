/** Let the page answer the person before the next piece of work, or for some milliseconds. */
export function breath(ms = 0) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
