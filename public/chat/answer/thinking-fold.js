import { GrowingText } from "./growing-text.js";

/** What a model thinks, folded under how long it took. It is drawn when it is looked at. */
export class ThinkingFold {
  #element = document.createElement("details");
  #summary = document.createElement("summary");
  #text;
  #isWhole = false;
  #isOpen = false;
  #frame = 0;
  /** When the first and the last of it came. Nobody knows if some of it came before the page was here. */
  #began = Number.NaN;
  #went = Number.NaN;

  /** @param {HTMLElement} answer where it is shown, before all else */
  constructor(answer) {
    const thought = document.createElement("div");
    thought.className = "thought";
    this.#text = new GrowingText(thought);
    this.#element.className = "thinking growing";
    this.#summary.textContent = "Thinking…";
    this.#element.append(this.#summary, thought);
    this.#element.addEventListener("toggle", () => this.#drawSoon());
    answer.prepend(this.#element);
    answer.classList.add("thoughtful");
    folds.set(this.#element, this);
  }

  /**
   * @param {string} text
   * @param {boolean} isKept whether it came before, at a time that nobody knows
   */
  append(text, isKept) {
    const now = isKept ? Number.NaN : performance.now();
    if (this.#text.length === 0) this.#began = now;
    this.#went = now;
    this.#text.append(text);
    this.#drawSoon();
  }

  /** The model has thought it over. */
  end() {
    if (this.#isWhole) return;
    this.#isWhole = true;
    this.#element.classList.remove("growing");
    const seconds = Math.round((this.#went - this.#began) / 1000);
    this.#summary.textContent = seconds > 0 ? `Thought for ${duration(seconds)}` : "Thought";
    this.#drawSoon();
  }

  #drawSoon() {
    if (this.#element.open) this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    if (!this.#text.draw(this.#isWhole)) this.#drawSoon();
  }

  /** Shows all of it at once: paper cannot be unfolded. */
  unfold() {
    this.#isOpen = this.#element.open;
    this.#element.open = true;
    while (!this.#text.draw(this.#isWhole) && this.#isWhole);
  }

  /** Folds it as it was. */
  refold() {
    this.#element.open = this.#isOpen;
  }
}

function duration(seconds) {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** @type {WeakMap<Element, ThinkingFold>} */
const folds = new WeakMap();

function allOnPage() {
  return Array.from(document.querySelectorAll(".thinking"), (element) => folds.get(element));
}

addEventListener("beforeprint", () => {
  for (const fold of allOnPage()) fold.unfold();
});
addEventListener("afterprint", () => {
  for (const fold of allOnPage()) fold.refold();
});
