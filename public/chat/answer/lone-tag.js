const TAG = "</think>";

/** A text with so many tags in code is about something else: none is looked for any more. */
const MAX_IN_CODE = 20;

/** Finds the tag at the end of what a model thought, where none is at its start. */
export class LoneTag {
  #text = "";
  #inCode = 0;
  #isGivenUp = false;

  /**
   * Looks at a text that comes in pieces.
   *
   * @param {string} text the next piece
   * @returns {{ before: string, after: string } | undefined} all that came before the tag, and what follows it
   */
  look(text) {
    if (this.#isGivenUp) return undefined;
    // The tag may be split between pieces.
    const from = Math.max(0, this.#text.length - TAG.length + 1);
    this.#text += text;
    const fresh = this.#text.slice(from).toLowerCase();
    for (let at = fresh.indexOf(TAG); at >= 0; at = fresh.indexOf(TAG, at + 1)) {
      const before = this.#text.slice(0, from + at);
      const isPaired = /<think\b/i.test(before);
      if (!isPaired && !isInCode(before)) {
        return { before, after: this.#text.slice(before.length + TAG.length) };
      }
      this.#inCode += 1;
      this.#isGivenUp = isPaired || this.#inCode >= MAX_IN_CODE;
      if (this.#isGivenUp) break;
    }
    return undefined;
  }
}

/** Whether what follows a text is code: in a fence, far indented, or behind a backtick in its paragraph. */
function isInCode(text) {
  let fence = "";
  let paragraph = "";
  const lines = text.split("\n");
  for (const line of lines) {
    const [, marker] = /^ {0,3}(`{3,}|~{3,})/.exec(line) ?? [];
    if (marker && fence === "") fence = marker;
    else if (marker?.startsWith(fence) && line.trim() === marker) fence = "";
    paragraph = line.trim() === "" || marker ? "" : `${paragraph}${line}\n`;
  }
  const last = lines.at(-1);
  if (fence !== "" || /^(?: {4}|\t)/.test(last)) return true;
  // A tag in a line of its own is no code, whatever backtick was forgotten before it.
  return last.trim() !== "" && hasOpenBackticks(paragraph);
}

/** Whether some backticks of a paragraph open code that is not closed. */
function hasOpenBackticks(paragraph) {
  let open = "";
  for (const [run] of paragraph.matchAll(/`+/g)) {
    if (open === "") open = run;
    else if (run === open) open = "";
  }
  return open !== "";
}
