/**
 * Longest piece of code, in UTF-16 units. Text that is appended makes the browser lay out its piece again, not those
 * before it. One piece gets its colours in an animation frame: a slow phone takes long for more. A piece ends with a
 * line, unless the line is much longer.
 */
const LENGTH = 500;
const LONGEST_LINE = 16_000;

/** A few lines of a code block. */
export class CodePiece {
  element = document.createElement("span");
  length = 0;
  #isFull = false;
  /** Stretches of one colour, a child node each. @type {Run[]} */
  #runs = [];

  /** @typedef {{ kind: string, length: number }} Run `kind` is the colour's name, or nothing */

  constructor() {
    this.element.className = "lines";
  }

  get isFull() {
    return this.#isFull;
  }

  /**
   * Takes as much of a text as there is room for.
   *
   * @param {string} text
   * @returns {string} the rest
   */
  take(text) {
    const part = text.slice(0, this.#roomFor(text));
    this.#add({ kind: "", length: part.length }, part);
    this.length += part.length;
    this.#isFull = this.length >= (part.endsWith("\n") ? LENGTH : LONGEST_LINE);
    return text.slice(part.length);
  }

  #roomFor(text) {
    const lineEnd = text.indexOf("\n", Math.max(0, LENGTH - this.length - 1));
    const end = lineEnd < 0 ? text.length : lineEnd + 1;
    const most = Math.max(1, LONGEST_LINE - this.length);
    // The two halves of an emoji stay together.
    return end <= most ? end : most + (/[\uD800-\uDBFF]/.test(text[most - 1]) ? 1 : 0);
  }

  /**
   * Colours the piece. What is coloured so already stays.
   *
   * @param {Run[]} runs
   * @returns {boolean} whether anything has changed
   */
  paint(runs) {
    const first = runs.findIndex(
      ({ kind, length }, at) => this.#runs[at]?.kind !== kind || this.#runs[at].length !== length,
    );
    if (first < 0) return false;
    const text = this.element.textContent;
    while (this.element.childNodes.length > first) this.element.lastChild.remove();
    let end = sum(this.#runs.splice(first) && this.#runs);
    for (const run of runs.slice(first)) {
      this.#add(run, text.slice(end, end + run.length));
      end += run.length;
    }
    if (end < text.length) this.#add({ kind: "", length: text.length - end }, text.slice(end));
    return true;
  }

  #add({ kind, length }, text) {
    const last = this.#runs.at(-1);
    if (kind === "" && last?.kind === "") {
      this.element.lastChild.appendData(text);
      last.length += length;
      return;
    }
    const node = kind === "" ? document.createTextNode(text) : document.createElement("span");
    if (kind !== "") {
      node.className = `c-${kind}`;
      node.textContent = text;
    }
    this.element.append(node);
    this.#runs.push({ kind, length });
  }
}

function sum(runs) {
  return runs.reduce((total, { length }) => total + length, 0);
}
