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
    this.#take(this.#splitter.take(rest.replace(/\r\n?/g, "\n")), isKept);
  }

  /**
   * @param {string} text what the model thinks, if the server tells it apart
   * @param {{ isKept?: boolean }} [options]
   */
  appendThinking(text, { isKept = false } = {}) {
    this.#take({ thinking: text.replace(/\r\n?/g, "\n"), answer: "" }, isKept);
  }

  #take({ thinking, answer }, isKept) {
    if (thinking !== "") {
      this.#fold ??= new ThinkingFold(this.#element);
      this.#fold.append(thinking, isKept);
    }
    if (answer === "") return;
    this.#fold?.end();
    this.#text += answer;
    this.#body.append(answer);
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
