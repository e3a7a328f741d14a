// Files that the person saves: their names, sizes as people read them, and the download itself.

const STILL_SAVING = 60_000; // ms after which a download has begun
const FORBIDDEN = /[\\/:*?"<>|\u0000-\u001f]/g; // in file names, on one system or another

/** Save a Blob as a file. */
export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), STILL_SAVING);
}

/** The bytes of a GLB (Uint8Array) as a File. */
export function glbFile(glb, name) {
  return new File([glb], `${name.replace(FORBIDDEN, "-")}.glb`, { type: "model/gltf-binary" });
}

/** A file name without its ending. */
export function stem(name) {
  return name.replace(/\.[^.]*$/, "") || "photo";
}

/** "9.5 kB", "120 kB", "1.2 MB". */
export function size(bytes) {
  if (bytes >= 999_500) return `${(bytes / 1e6).toFixed(1)} MB`;
  return bytes < 10_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${Math.round(bytes / 1000)} kB`;
}
