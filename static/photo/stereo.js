// The 3D photo for two eyes: side by side, or in one picture for red and cyan glasses.

import { HalfFloatType, Matrix3, ShaderMaterial, Vector2, WebGLRenderTarget } from "three";
import { FullScreenQuad } from "three/examples/jsm/postprocessing/Pass.js";
import { eyes } from "./eyes.js";

/** What `stereo` may be, besides "": the names of the ways and how they are called. */
export const WAYS = { "side-by-side": "Side by side", anaglyph: "Red and cyan" };

const SAMPLES = 4; // for smooth edges, as the screen's own buffer has

// The least-squares projection for red and cyan glasses: E. Dubois, "A projection method to generate anaglyph stereo
// images", ICASSP 2001; the figures as in three.js's AnaglyphEffect, for linear light.
const LEFT = [0.4561, -0.0400822, -0.0152161, 0.500484, -0.0378246, -0.0205971, 0.176381, -0.0157589, -0.00546856];
const RIGHT = [-0.0434706, 0.378476, -0.0721527, -0.0879388, 0.73364, -0.112961, -0.00155529, -0.0184503, 1.2264];

/** Draw the two views beside each other, the left eye's on the left. `aim` gives the camera for an offset. */
export function sideBySide(renderer, scene, aim, offset) {
  const { width, height } = renderer.getSize(new Vector2());
  renderer.setScissorTest(true);
  for (const [i, eye] of eyes(offset).entries()) {
    const half = [(i * width) / 2, 0, width / 2, height];
    renderer.setViewport(...half);
    renderer.setScissor(...half);
    renderer.render(scene, aim(eye));
  }
  renderer.setScissorTest(false);
  renderer.setViewport(0, 0, width, height);
}

/** Draws the two views into one picture, each in the colours that one of the glasses lets through. */
export class Anaglyph {
  #targets = [0, 1].map(() => new WebGLRenderTarget(1, 1, { type: HalfFloatType, samples: SAMPLES }));
  #quad = new FullScreenQuad(
    new ShaderMaterial({
      uniforms: {
        left: { value: this.#targets[0].texture },
        right: { value: this.#targets[1].texture },
        forLeft: { value: new Matrix3().fromArray(LEFT) },
        forRight: { value: new Matrix3().fromArray(RIGHT) },
      },
      vertexShader: "varying vec2 at; void main() { at = uv; gl_Position = vec4(position.xy, 0.0, 1.0); }",
      fragmentShader: `
        uniform sampler2D left, right;
        uniform mat3 forLeft, forRight;
        varying vec2 at;
        void main() {
          vec3 both = forLeft * texture2D(left, at).rgb + forRight * texture2D(right, at).rgb;
          gl_FragColor = vec4(clamp(both, 0.0, 1.0), 1.0);
          #include <colorspace_fragment>
        }`,
    }),
  );

  render(renderer, scene, aim, offset) {
    const { width, height } = renderer.getDrawingBufferSize(new Vector2());
    for (const [i, eye] of eyes(offset).entries()) {
      this.#targets[i].setSize(width, height);
      renderer.setRenderTarget(this.#targets[i]);
      renderer.render(scene, aim(eye));
    }
    renderer.setRenderTarget(null);
    this.#quad.render(renderer);
  }

  dispose() {
    for (const target of this.#targets) target.dispose();
    this.#quad.material.dispose();
    this.#quad.dispose();
  }
}
