/** The start of a fenced code block: its marker and what it says about itself, in a complete line. */
const OPENING = /^(?:[ \t]*\n)*(`{3,}(?=[^`\n]*\n)|~{3,})([^\n]*)\n/;

/** A line that may still become the end of a block. */
const MAY_CLOSE = /^ {0,3}[`~]{0,100} {0,100}$/;

/** Reads a fenced code block while it grows, each letter once. */
export class Fence {
  #closing;
  #isInLine = false;

  /**
   * Recognizes a fence that is not indented.
   *
   * @param {string} text
   * @returns {{ fence: Fence, language: string, length: number } | undefined} the fence, the name of its language, and
   *   where its code begins
   */
  static open(text) {
    const [opening, marker, about] = OPENING.exec(text) ?? [];
    if (!opening) return undefined;
    const [language] = /^\S*/.exec(about.trim());
    return { fence: new Fence(marker), language, length: opening.length };
  }

  /** @param {string} marker */
  constructor(marker) {
    this.#closing = new RegExp(`^ {0,3}${marker}[~\`]* *(?:\\n|$)`, "m");
  }

  /**
   * Reads on.
   *
   * @param {string} text what has not been read yet
   * @param {boolean} isRest whether nothing follows this text
   * @returns {{ code: string, length: number, isClosed: boolean }} the code in it, and how much of the text is read
   */
  read(text, isRest) {
    // A line that has begun is no closing line.
    const from = this.#isInLine ? text.indexOf("\n") + 1 || text.length : 0;
    const lines = text.slice(from);
    const closing = this.#closing.exec(lines);
    if (closing && (isRest || closing[0].endsWith("\n"))) {
      const code = text.slice(0, from + closing.index);
      return { code, length: code.length + closing[0].length, isClosed: true };
    }
    const last = text.lastIndexOf("\n") + 1;
    const isHeld = !isRest && last >= from && MAY_CLOSE.test(text.slice(last));
    const code = isHeld ? text.slice(0, last) : text;
    if (code) this.#isInLine = !code.endsWith("\n");
    return { code, length: code.length, isClosed: isRest };
  }
}
