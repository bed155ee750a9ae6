import { ownFrame } from "../animation-frames.js";
import { Helper } from "./helper.js";
import { loadStyle } from "./lazy-style.js";

/**
 * Colours for code. They come from a worker, so that neither a long block nor one that is made to be slow holds up the
 * page. The code is there from the start; its colours follow when they are ready.
 */

/** Longest start of a block that is coloured, in UTF-16 units. */
const MAX_LENGTH = 50_000;

/** How long it takes at first, and at last, until colours that could not be loaded are asked for again. */
const AGAIN_MS = 2_000;
const LONGEST_AGAIN_MS = 60_000;

/** Blocks near what is in sight. The colours of the others are not needed yet. */
const sight = new IntersectionObserver(look, {
  root: document.querySelector("#scroller"),
  rootMargin: "100%",
});

/** @type {WeakMap<Element, Colours>} */
const all = new WeakMap();

/** Blocks that wait for their colours. @type {Set<Colours>} */
const waiting = new Set();

/** The colours of one block. */
export class Colours {
  #block;
  #language;
  #isNear = false;
  /** Length of the text whose colours were asked for. */
  #asked = 0;
  #failures = 0;
  #isResting = false;

  /**
   * @param {import("./code-block.js").CodeBlock} block
   * @param {string} language
   */
  constructor(block, language) {
    this.#block = block;
    this.#language = language.toLowerCase();
    all.set(block.element, this);
    sight.observe(block.element);
  }

  /** Colours the lines that have been added. */
  refresh() {
    const isDue = this.#isNear && !this.#isResting;
    if (isDue && this.#text.length > this.#asked) enqueue(this);
  }

  /** @param {boolean} isNear */
  come(isNear) {
    this.#isNear = isNear;
    this.refresh();
  }

  get #text() {
    const text = this.#block.text.slice(0, MAX_LENGTH);
    return text.slice(0, text.lastIndexOf("\n") + 1);
  }

  /** Gets the colours, and puts them on a piece of the code in each animation frame. */
  async fetch() {
    if (!this.#isNear) return;
    const text = this.#text;
    this.#asked = text.length;
    const runs = await colour(this.#language, text).catch(() => this.#later());
    if (!runs) return;
    const painting = this.#block.paint(runs);
    do await ownFrame();
    while (!painting.next().done);
  }

  /** Tries again what could not be loaded, and not at every line that comes meanwhile. */
  #later() {
    this.#isResting = true;
    const ms = Math.min(LONGEST_AGAIN_MS, AGAIN_MS * 2 ** this.#failures);
    this.#failures += 1;
    setTimeout(() => {
      this.#isResting = false;
      this.#asked = 0;
      this.refresh();
    }, ms);
  }
}

function look(entries) {
  for (const { target, isIntersecting } of entries) all.get(target).come(isIntersecting);
}

let isBusy = false;

/** Serves one block at a time. @param {Colours} colours */
async function enqueue(colours) {
  waiting.add(colours);
  if (isBusy) return;
  isBusy = true;
  try {
    for (const next of waiting) {
      waiting.delete(next);
      await next.fetch();
    }
  } finally {
    isBusy = false;
  }
}

const helper = new Helper(() => import("./highlight-worker.js"));

/** The colours of a text. There are none if they take too long. @throws if they cannot be loaded */
async function colour(language, text) {
  const styled = loadStyle("colours-style");
  const { kinds = [], lengths, names } = (await helper.ask({ language, text })) ?? {};
  await styled;
  return Array.from(kinds, (kind, at) => ({ kind: names[kind], length: lengths[at] }));
}
