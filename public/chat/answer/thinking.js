import { LoneTag } from "./lone-tag.js";

/**
 * Tells what a model thinks from what it answers. Some models write it at the start of their answer, between tags. Of
 * others, only the tag at its end is seen: their prompt has the first one.
 */
const NAMES = ["think", "thinking", "reasoning"];
const OPENING = new RegExp(`^\\s*<(${NAMES.join("|")})>`, "i");

/** Splits a text that comes in pieces. What may still become a tag is held back. */
export class ThinkingSplitter {
  /** What has not been told apart yet. */
  #held = "";
  /** The tag that ends the thinking. */
  #closing = "";
  #isAnswer = false;
  #lone = new LoneTag();

  /**
   * @param {string} text
   * @returns {{ thinking: string, answer: string, takesBack?: boolean }} what is told apart by now; `takesBack`: what
   *   was taken for the answer is what the model thought, and is the thinking's start now
   */
  take(text) {
    if (this.#isAnswer) return this.#takeAnswer(text);
    this.#held += text;
    if (this.#closing === "") {
      if (mayOpen(this.#held)) return { thinking: "", answer: "" };
      const [opening, name] = OPENING.exec(this.#held) ?? [];
      if (!opening) return this.#release();
      this.#closing = `</${name.toLowerCase()}>`;
      this.#held = this.#held.slice(opening.length);
    }
    return this.#takeThinking();
  }

  #takeAnswer(text) {
    const found = this.#closing === "" ? this.#lone.look(text) : undefined;
    if (!found) return { thinking: "", answer: text };
    this.#closing = "</think>";
    return { thinking: found.before, answer: found.after, takesBack: true };
  }

  #takeThinking() {
    const text = this.#held;
    const end = text.toLowerCase().indexOf(this.#closing);
    if (end < 0) {
      const thinking = text.slice(0, text.length - heldBack(text, this.#closing));
      this.#held = text.slice(thinking.length);
      return { thinking, answer: "" };
    }
    this.#isAnswer = true;
    this.#held = "";
    return { thinking: text.slice(0, end), answer: text.slice(end + this.#closing.length) };
  }

  /** Nothing more will come: what is held back is no tag. */
  end() {
    if (this.#closing === "" || this.#isAnswer) return this.#release();
    const thinking = this.#held;
    this.#held = "";
    return { thinking, answer: "" };
  }

  /** What is held back is no tag, and belongs to the answer. */
  #release() {
    const text = this.#held;
    this.#held = "";
    this.#isAnswer = true;
    return this.#takeAnswer(text);
  }
}

/** Whether a text may be the start of a tag. */
function mayOpen(text) {
  const start = text.trimStart().toLowerCase();
  return NAMES.some((name) => `<${name}>`.startsWith(start) && start.length < name.length + 2);
}

/** Length of a text's end that may be the start of a tag. */
function heldBack(text, tag) {
  const end = text.slice(1 - tag.length).toLowerCase();
  for (let length = end.length; length > 0; length -= 1) {
    if (tag.startsWith(end.slice(end.length - length))) return length;
  }
  return 0;
}

/**
 * An answer without what the model thought before it.
 *
 * @param {string} text
 * @returns {string}
 */
export function withoutThinking(text) {
  const splitter = new ThinkingSplitter();
  return (splitter.take(text).answer + splitter.end().answer).trimStart();
}
