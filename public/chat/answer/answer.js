import { GrowingText } from "./growing-text.js";
import { ThinkingSplitter } from "./thinking.js";
import { ThinkingFold } from "./thinking-fold.js";

/** An answer on the page: its text, and above it, folded, what the model thought before. */
export class AnswerText {
  #element;
  #body;
  #splitter = new ThinkingSplitter();
  /** @type {ThinkingFold | undefined} */
  #fold;
  #text = "";
  #endsWithReturn = false;
  /** When the first text came, if this page was there. */
  #began = Number.NaN;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
    element.replaceChildren();
    element.classList.remove("thoughtful");
    this.#body = new GrowingText(element);
  }

  /** The answer without what was thought. */
  get text() {
    return this.#text.trimStart();
  }

  /**
   * @param {string} text
   * @param {{ isKept?: boolean }} [options] `isKept`: it came before, so nobody knows how long the model thought
   */
  append(text, { isKept = false } = {}) {
    // The two halves of a CRLF may come in different frames.
    const rest = this.#endsWithReturn && text.startsWith("\n") ? text.slice(1) : text;
    this.#endsWithReturn = text.endsWith("\r");
    if (this.#text === "" && !isKept && Number.isNaN(this.#began)) this.#began = performance.now();
    this.#take(this.#splitter.take(rest.replace(/\r\n?/g, "\n")), isKept);
  }

  /**
   * @param {string} text what the model thinks, if the server tells it apart
   * @param {{ isKept?: boolean }} [options]
   */
  appendThinking(text, { isKept = false } = {}) {
    this.#take({ thinking: text.replace(/\r\n?/g, "\n"), answer: "" }, isKept);
  }

  #take({ thinking, answer, takesBack }, isKept) {
    if (takesBack) this.#takeBack();
    if (thinking !== "") {
      this.#fold ??= new ThinkingFold(this.#element);
      this.#fold.append(thinking, { isKept, began: takesBack ? this.#began : undefined });
    }
    if (answer === "") return;
    this.#fold?.end();
    this.#text += answer;
    this.#body.append(answer);
  }

  /** What was shown as the answer was none. */
  #takeBack() {
    for (const group of this.#element.querySelectorAll(":scope > .blocks")) group.remove();
    this.#body = new GrowingText(this.#element);
    this.#text = "";
  }

  /**
   * Draws what has not been drawn yet, as far as the budget allows.
   *
   * @param {boolean} isWhole whether nothing more will come
   * @returns {boolean} whether all of it is drawn
   */
  draw(isWhole) {
    if (isWhole) {
      this.#take(this.#splitter.end(), true);
      this.#fold?.end();
    }
    return this.#body.draw(isWhole);
  }
}
