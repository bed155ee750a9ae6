import { imported } from "../imported.js";
import { untilItWorks } from "../patience.js";
import { CodePiece } from "./code-piece.js";
import { copyOnClick } from "./copy.js";

/** @type {WeakMap<Element, CodeBlock>} */
const blocks = new WeakMap();

/** What colours code. @type {Promise<typeof import("./colours.js")> | undefined} */
let colours;

/** Code under a head that names its language and copies it. */
export class CodeBlock {
  #code = document.createElement("code");
  /** @type {CodePiece[]} */
  #pieces = [];
  #text = "";
  /** @type {import("./colours.js").Colours | undefined} */
  #colours;

  /** @param {string} language as the model names it */
  constructor(language) {
    const { content } = document.querySelector("#code-block");
    this.element = document.importNode(content, true).firstElementChild;
    this.element.role = "group";
    this.element.ariaLabel = language ? `Code, ${language}` : "Code";
    this.element.dir = "ltr";
    this.element.querySelector("span").textContent = language;
    copyOnClick(this.element.querySelector("button"), () => this.#text);
    const box = document.createElement("pre");
    box.tabIndex = 0;
    box.append(this.#code);
    this.element.append(box);
    blocks.set(this.element, this);
    if (language) this.#loadColours(language);
  }

  async #loadColours(language) {
    // One for all: a block in a list that grows is made anew with every word.
    colours ??= untilItWorks(() => imported(() => import("./colours.js")));
    const { Colours } = await colours;
    this.#colours = new Colours(this, language);
  }

  /**
   * Makes a block go on as another one, if that has more of the same code.
   *
   * @param {Element} element
   * @param {Element} other
   * @returns {boolean} whether it does
   */
  static goesOn(element, other) {
    const block = blocks.get(element);
    const { text } = blocks.get(other);
    const isSame = element.ariaLabel === other.ariaLabel && text.startsWith(block.text);
    if (isSame) block.append(text.slice(block.text.length));
    return isSame;
  }

  get text() {
    return this.#text;
  }

  /** @param {string} text */
  append(text) {
    this.#text += text;
    for (let rest = text; rest !== ""; ) {
      if (this.#pieces.at(-1)?.isFull !== false) this.#startPiece();
      rest = this.#pieces.at(-1).take(rest);
    }
    this.#colours?.refresh();
  }

  #startPiece() {
    const piece = new CodePiece();
    this.#pieces.push(piece);
    this.#code.append(piece.element);
  }

  /** Nothing more will come. */
  close() {
    if (this.#text !== "" && !this.#text.endsWith("\n")) this.append("\n");
    this.#colours?.refresh();
  }

  /**
   * Colours the code, piece by piece.
   *
   * @param {Iterable<import("./code-piece.js").Run>} runs from the code's start on
   */
  *paint(runs) {
    const rest = runs[Symbol.iterator]();
    let run = rest.next().value;
    for (const piece of this.#pieces) {
      const within = [];
      for (let room = piece.length; room > 0 && run; ) {
        const length = Math.min(room, run.length);
        within.push({ kind: run.kind, length });
        room -= length;
        run =
          run.length > length ? { kind: run.kind, length: run.length - length } : rest.next().value;
      }
      if (piece.paint(within)) yield;
      if (!run) return;
    }
  }
}
