import { CodeBlock } from "./code-block.js";
import { Fence } from "./fence.js";
import { grow, moveContent } from "./grow.js";
import { blockLengths, renderMarkdown } from "./markdown.js";

/** Longest time that one draw may take. The rest of the animation frame is for scrolling and typing. */
const BUDGET_MS = 8;

/** Length of the text that is parsed at a time: longer than almost any paragraph. */
const WINDOW = 8_000;

/** Most blocks rendered at a time. A window of nothing but tiny blocks has thousands. */
const MAX_BLOCKS = 100;

/** From a block longer than this on, the text is shown as it is. Only code may be longer. */
const MAX_BLOCK_LENGTH = 16_000;

/** Longest paragraph of plain text, and how much plain text or code is drawn at a time. */
const PLAIN_PIECE = 4_000;
const PLAIN_PER_DRAW = 10 * PLAIN_PIECE;

/**
 * Most blocks beside each other, if they do not come at once. On a page with formulas, Chromium styles all that is beside
 * a new element again, and all that is in it.
 */
const MAX_TOGETHER = 8;

/** While the last block is shorter than this, it may still join the block before it: `10.` continues a list. */
const UNDECIDED = 12;

/**
 * Markdown that grows on the page. Complete blocks are rendered once; only the last one is rendered again as it grows.
 * Code that grows is not rendered again: each letter is read and drawn once.
 */
export class GrowingText {
  /** Holds the block that is still growing, behind those that are complete. */
  #live = document.createElement("div");
  #liveText = "";
  /** Holds the latest of the complete blocks. */
  #blocks;
  #text = "";
  /** Length of the text whose blocks are complete and rendered. */
  #settled = 0;
  #window = WINDOW;
  #restUntil = 0;
  #isPlain = false;
  /** The code block that is growing. @type {{ fence: Fence, block: CodeBlock } | undefined} */
  #code;
  /** The last piece of plain text. @type {Text | undefined} */
  #piece;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#live.className = "live";
    element.append(this.#live);
  }

  get length() {
    return this.#text.length;
  }

  /** @param {string} text */
  append(text) {
    this.#text += text;
  }

  /**
   * Draws what has not been drawn yet, as far as the budget allows.
   *
   * @param {boolean} isWhole whether nothing more will come
   * @returns {boolean} whether all of it is drawn
   */
  draw(isWhole) {
    try {
      return this.#draw(isWhole);
    } catch (error) {
      // Deeply nested text can overflow the renderer's stack.
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
      if (this.#code) {
        if (!this.#drawCode(isWhole)) break;
      } else if (!this.#settleSome(isWhole)) return this.#drawLive(started);
    }
    if (isWhole && this.#code) this.#closeCode();
    this.#showLive("");
    return true;
  }

  /** Renders complete blocks. Returns false if there are none. */
  #settleSome(isWhole) {
    const text = this.#text.slice(this.#settled, this.#settled + this.#window);
    const isRest = this.#settled + text.length === this.#text.length;
    const lengths = blockLengths(text);
    const whole = isWhole && isRest ? lengths : lengths.slice(0, -1);
    const last = text.slice(sum(whole));
    const isCode = Fence.open(last) !== undefined;
    const isUndecided = !isWhole && isRest && last.trimStart().length < UNDECIDED;
    if (isUndecided && !isCode) return false;
    // Blank lines are not a block.
    if (isWhole && isRest && whole.length === 0) whole.push(text.length);
    if (whole.length > 0) {
      this.#settle(text.slice(0, sum(whole.slice(0, MAX_BLOCKS))));
      this.#window = WINDOW;
      return true;
    }
    if (isCode) return this.#openCode(text);
    if (isRest) return false;
    this.#window *= 2;
    if (this.#window > MAX_BLOCK_LENGTH) this.#becomePlain();
    return true;
  }

  #settle(text) {
    grow(this.#live, renderMarkdown(text));
    moveContent(this.#live, this.#placeForMore());
    this.#liveText = "";
    this.#settled += text.length;
  }

  #placeForMore() {
    if (!this.#blocks || this.#blocks.childElementCount >= MAX_TOGETHER) this.#startBlocks();
    return this.#blocks;
  }

  #startBlocks() {
    this.#blocks = document.createElement("div");
    this.#blocks.className = "blocks";
    this.#live.before(this.#blocks);
  }

  #openCode(text) {
    const { fence, language, length } = Fence.open(text);
    this.#code = { fence, block: new CodeBlock(language) };
    this.#placeForMore().append(this.#code.block.element);
    this.#settled += length;
    this.#showLive("");
    return true;
  }

  /** Draws the code that has come. Returns false if the rest has to wait for more. */
  #drawCode(isWhole) {
    const text = this.#text.slice(this.#settled, this.#settled + PLAIN_PER_DRAW);
    const isEnd = isWhole && this.#settled + text.length === this.#text.length;
    const { code, length, isClosed } = this.#code.fence.read(text, isEnd);
    this.#code.block.append(code);
    this.#settled += length;
    if (isClosed) this.#closeCode();
    return length > 0;
  }

  #closeCode() {
    this.#code.block.close();
    this.#code = undefined;
    this.#window = WINDOW;
  }

  /** Renders the block that is still growing, then pauses for six times as long as that took. */
  #drawLive(started) {
    this.#showLive(this.#text.slice(this.#settled));
    const ended = performance.now();
    this.#restUntil = ended + 6 * (ended - started);
    return true;
  }

  #showLive(text) {
    if (text === this.#liveText) return;
    this.#liveText = text;
    grow(this.#live, renderMarkdown(text));
  }

  #becomePlain() {
    this.#isPlain = true;
    this.#startBlocks();
    this.#showLive("");
  }

  /** Fills up the last piece, then starts another. Earlier pieces need no new layout. */
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
    this.#blocks.append(block);
  }
}

function sum(numbers) {
  return numbers.reduce((total, each) => total + each, 0);
}
