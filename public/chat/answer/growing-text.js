import { CodeBlock } from "./code-block.js";
import { Fence } from "./fence.js";
import { showDrawn } from "./formulas.js";
import { grow } from "./grow.js";
import { blockLengths, renderMarkdown } from "./markdown.js";

/** Longest time that one draw may take. The rest of the animation frame is for scrolling and typing. */
const BUDGET_MS = 8;

/** Length of the text that is parsed at a time: longer than almost any paragraph. */
const WINDOW = 8_000;

/** Most blocks rendered at a time, and how much text unless a block is longer. A slow phone takes long even for these. */
const MAX_BLOCKS = 30;
const MAX_LENGTH = 2_000;

/** From a block longer than this on, the text is shown as it is. Only code may be longer. */
const MAX_BLOCK_LENGTH = 16_000;

/** Longest paragraph of plain text, and how much plain text or code is drawn at a time. */
const PLAIN_PIECE = 4_000;
const PLAIN_PER_DRAW = 10 * PLAIN_PIECE;

/**
 * From this many blocks on, a group is full. What is beside a new element costs time again: on a page with formulas,
 * Chromium styles it, and all that is in it. A group that is out of sight costs nothing.
 */
const MAX_TOGETHER = 8;

/** While the last block is shorter than this, it may still join the block before it: `10.` continues a list. */
const UNDECIDED = 12;

/**
 * Markdown that grows on the page. Complete blocks are rendered once; only the last one is rendered again as it grows.
 * Code that grows is not rendered again: each letter is read and drawn once. No block ever moves: it would be laid out
 * anew.
 */
export class GrowingText {
  #element;
  /** The latest blocks, and behind them the one that is still growing. @type {HTMLElement} */
  #group;
  /** How many of the group's nodes are complete. */
  #complete = 0;
  #liveText = "";
  #text = "";
  /** Length of the text whose blocks are complete and rendered. */
  #settled = 0;
  /** The lengths of the complete blocks behind it that are known already. @type {number[]} */
  #known = [];
  #window = WINDOW;
  #restUntil = 0;
  #isPlain = false;
  /** The code block that is growing. @type {{ fence: Fence, block: CodeBlock } | undefined} */
  #code;
  /** The last piece of plain text. @type {Text | undefined} */
  #piece;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
    this.#startGroup();
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
      const isAll = this.#draw(isWhole);
      if (isWhole) showDrawn();
      return isAll;
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

  /** Renders some complete blocks. Returns false if there are none. */
  #settleSome(isWhole) {
    if (this.#known.length === 0) {
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
      if (whole.length === 0) return isCode ? this.#openCode(text) : this.#widen(isRest);
      this.#known = whole;
      this.#window = WINDOW;
    }
    this.#settle(this.#nextLength());
    return true;
  }

  /** Takes known blocks: as many as are rendered at a time. */
  #nextLength() {
    let length = this.#known.shift();
    for (let count = 1; count < MAX_BLOCKS && this.#known.length > 0; count += 1) {
      if (length + this.#known[0] > MAX_LENGTH) break;
      length += this.#known.shift();
    }
    return length;
  }

  #settle(length) {
    const text = this.#text.slice(this.#settled, this.#settled + length);
    grow(this.#group, renderMarkdown(text), this.#complete);
    this.#liveText = "";
    this.#settled += length;
    this.#complete = this.#group.childNodes.length;
    this.#startGroupIfFull();
  }

  /** Looks further for the end of a block. Returns false if nothing more has come. */
  #widen(isRest) {
    if (isRest) return false;
    this.#window *= 2;
    if (this.#window > MAX_BLOCK_LENGTH) this.#becomePlain();
    return true;
  }

  #startGroupIfFull() {
    if (this.#group.childElementCount >= MAX_TOGETHER) this.#startGroup();
  }

  #startGroup() {
    this.#group?.classList.remove("growing");
    this.#group = document.createElement("div");
    this.#group.className = "blocks growing";
    this.#complete = 0;
    this.#element.append(this.#group);
  }

  #openCode(text) {
    const { fence, language, length } = Fence.open(text);
    this.#showLive("");
    this.#code = { fence, block: new CodeBlock(language) };
    this.#group.append(this.#code.block.element);
    this.#complete += 1;
    this.#settled += length;
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
    this.#startGroupIfFull();
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
    grow(this.#group, renderMarkdown(text), this.#complete);
  }

  #becomePlain() {
    this.#isPlain = true;
    this.#showLive("");
    this.#startGroup();
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
    this.#group.append(block);
  }
}

function sum(numbers) {
  return numbers.reduce((total, each) => total + each, 0);
}
