import { blockLengths, renderMarkdown } from "./markdown.js";

/** How long one go at drawing may take: what is left of a frame is for scrolling and typing. */
const BUDGET_MS = 8;

/** How much text is looked at in one go: more than almost any paragraph has. */
const WINDOW = 8_000;

/** How many blocks are rendered in one go: a window of nothing but tiny ones has thousands, and each is an element. */
const MOST_BLOCKS = 100;

/** A single block that is longer than this is shown as plain text, and so is all that follows it. */
const LONGEST_BLOCK = 16_000;

/** How much plain text is laid out as one, and how much of it is drawn in one go. */
const PLAIN_PIECE = 4_000;
const PLAIN_PER_DRAW = 10 * PLAIN_PIECE;

/** The start of a last block that could still become part of the one before it, as `10.` makes a list go on. */
const UNDECIDED = 12;

/** The text of an answer on the page. What is complete is rendered once, and only its last block anew as it grows. */
export class AnswerText {
  #live = document.createElement("div");
  #text = "";
  #lastIsReturn = false;
  #settled = 0;
  #window = WINDOW;
  #liveText = "";
  #restUntil = 0;
  #isPlain = false;
  /** @type {Text | undefined} */
  #piece;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#live.className = "live";
    element.replaceChildren(this.#live);
  }

  /** @param {string} text */
  append(text) {
    // Line ends are those of Markdown, also when the two halves of one come apart.
    const rest = this.#lastIsReturn && text.startsWith("\n") ? text.slice(1) : text;
    this.#lastIsReturn = text.endsWith("\r");
    this.#text += rest.replace(/\r\n?/g, "\n");
  }

  /**
   * Draws what is not drawn yet, for as long as a frame allows.
   *
   * @param {boolean} isWhole whether nothing more will come
   * @returns {boolean} whether all of it is drawn
   */
  draw(isWhole) {
    try {
      return this.#draw(isWhole);
    } catch (error) {
      // Text can be nested deeper than the renderer can follow.
      if (this.#isPlain) throw error;
      this.#becomePlain();
      return false;
    }
  }

  #draw(isWhole) {
    const started = performance.now();
    if (started < this.#restUntil && !isWhole) return false;
    const deadline = started + BUDGET_MS;
    while (this.#settled < this.#text.length) {
      if (performance.now() > deadline) return false;
      if (this.#isPlain) return this.#drawPlain();
      if (!this.#settleSome(isWhole)) return this.#drawLive(started);
    }
    this.#showLive("");
    return true;
  }

  /** Renders blocks that are complete; false when there is none. */
  #settleSome(isWhole) {
    const text = this.#text.slice(this.#settled, this.#settled + this.#window);
    const isRest = this.#settled + text.length === this.#text.length;
    const lengths = blockLengths(text);
    const whole = isWhole && isRest ? lengths : lengths.slice(0, -1);
    const last = text.slice(sum(whole)).trimStart();
    if (!isWhole && isRest && last.length < UNDECIDED) return false;
    // A text of nothing but blank lines has no blocks.
    if (isWhole && isRest && whole.length === 0) whole.push(text.length);
    if (whole.length > 0) {
      this.#settle(text.slice(0, sum(whole.slice(0, MOST_BLOCKS))));
      this.#window = WINDOW;
      return true;
    }
    if (isRest) return false;
    this.#window *= 2;
    if (this.#window > LONGEST_BLOCK) this.#becomePlain();
    return true;
  }

  #settle(text) {
    this.#live.before(renderMarkdown(text));
    this.#settled += text.length;
    this.#showLive("");
  }

  /** Renders the block that is still growing; a large one rests far longer than all of this took. */
  #drawLive(started) {
    this.#showLive(this.#text.slice(this.#settled));
    const ended = performance.now();
    this.#restUntil = ended + 6 * (ended - started);
    return true;
  }

  #showLive(text) {
    if (text === this.#liveText) return;
    this.#liveText = text;
    this.#live.replaceChildren(renderMarkdown(text));
  }

  #becomePlain() {
    this.#isPlain = true;
    this.#showLive("");
  }

  /** Appends to the last piece until it is full: what is laid out already stays as it is. */
  #drawPlain() {
    const end = Math.min(this.#text.length, this.#settled + PLAIN_PER_DRAW);
    while (this.#settled < end) {
      if (!this.#piece || this.#piece.length >= PLAIN_PIECE) this.#startPiece();
      const text = this.#text.slice(
        this.#settled,
        this.#settled + PLAIN_PIECE - this.#piece.length,
      );
      this.#piece.appendData(text);
      this.#settled += text.length;
    }
    return end === this.#text.length;
  }

  #startPiece() {
    const block = document.createElement("p");
    block.className = "plain-text";
    this.#piece = document.createTextNode("");
    block.append(this.#piece);
    this.#live.before(block);
  }
}

function sum(numbers) {
  return numbers.reduce((total, each) => total + each, 0);
}
