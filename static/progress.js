// The four stages as people see them: bars, times, and the photo that develops meanwhile.

/** The pipeline's stages with their share of the work, for the developing photo. */
const STAGES = { depth: 0.35, layers: 0.3, inpainting: 0.05, meshing: 0.3 };
const BEGUN = 0.02; // of a bar, so that one sees which stage runs

export const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

export class Progress {
  #list;
  #stage;
  #current = null;
  #since = 0;

  /** `list` holds an element with data-stage for each stage; `stage` gets --done, 0 to 1. */
  constructor(list, stage) {
    this.#list = list;
    this.#stage = stage;
  }

  reset() {
    this.#current = null;
    for (const name of Object.keys(STAGES)) this.#mark(name, 0);
    this.#develop(0);
  }

  /** A stage is at `fraction`; returns the stage's name for people when it has just begun, else null. */
  tell(stage, fraction) {
    if (!(stage in STAGES)) return null;
    const now = performance.now();
    const begins = stage !== this.#current;
    if (begins) [this.#current, this.#since] = [stage, now];
    this.#mark(stage, Math.max(fraction, BEGUN), fraction >= 1 ? now - this.#since : undefined);
    const names = Object.keys(STAGES);
    const before = names.slice(0, names.indexOf(stage)).reduce((sum, name) => sum + STAGES[name], 0);
    this.#develop(before + STAGES[stage] * fraction);
    return begins ? this.#item(stage).firstElementChild.textContent : null;
  }

  /** All is done: the times that the pipeline itself measured, ms by stage. */
  finish(times) {
    for (const name of Object.keys(STAGES)) this.#mark(name, 1, times[name]);
    this.#develop(1);
  }

  #item(name) {
    return this.#list.querySelector(`[data-stage="${name}"]`);
  }

  #mark(name, fraction, ms) {
    const item = this.#item(name);
    item.style.setProperty("--share", fraction);
    item.dataset.is = fraction >= 1 ? "done" : fraction > 0 ? "now" : "next";
    item.querySelector("time").textContent = ms === undefined ? "" : seconds(ms);
  }

  #develop(share) {
    this.#stage.style.setProperty("--done", share.toFixed(3));
  }
}
