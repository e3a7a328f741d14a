// One HTML file that shows a 3D photo with no network and no other file: the viewer and the GLB are inside.

/** The file's text. glb: Uint8Array; title: of the page; script: static/tief-photo.js as the build bundles it. */
export async function wrap(glb, title, script) {
  // The file's own policy: it runs the one script that it holds, and connects to nothing.
  const hash = await sha256(script);
  const own = "style-src 'unsafe-inline'; img-src blob:; connect-src data: blob:";
  const policy = `default-src 'none'; script-src 'sha256-${hash}'; ${own}`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<title>${escape(title)}</title>
<style>
  html, body { margin: 0; height: 100%; background: #000; color: #fff; font: 1.1rem/1.5 system-ui, sans-serif; }
  tief-photo { width: 100vw; height: 100vh; height: 100dvh; }
</style>
<body>
<main><tief-photo alt="${escape(title)}" src="data:model/gltf-binary;base64,${base64(glb)}"></tief-photo></main>
<script type="module">${script}</script>
</body>
</html>
`;
}

async function sha256(text) {
  return base64(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

function base64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

function escape(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => names[character]);
}
