/**
 * Colours for code. They come from a worker, so that neither a long block nor one that is made to be slow holds up the
 * page. The code is there from the start; its colours follow when they are ready.
 */

/** Longest start of a block that is coloured, in UTF-16 units. */
const MAX_LENGTH = 50_000;

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

  /**
   * @param {import("./code-block.js").CodeBlock} block
   * @param {string} language
   */
  constructor(block, language) {
    this.#block = block;
    this.#language = language.toLowerCase();
    all.set(block.element, this);
    if (language) sight.observe(block.element);
  }

  /** Colours the lines that have been added. */
  refresh() {
    if (this.#isNear && this.#text.length > this.#asked) enqueue(this);
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
    const runs = await colour(this.#language, text);
    for (const _ of this.#block.paint(runs)) await new Promise(requestAnimationFrame);
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

/** Without a connection, there are no colours until the next block. */
async function colour(language, text) {
  try {
    const { coloursOf } = await import("./highlighter.js");
    return await coloursOf(language, text);
  } catch {
    return [];
  }
}
