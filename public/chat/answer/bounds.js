import { Lexer, Tokenizer } from "marked";
import { maskFormulas, nextFormulaLine } from "./formula-syntax.js";

/**
 * Bounds on what one rendering costs, whatever the text. Some texts that nobody would write by hand take Marked time
 * that grows with the square of their length. Markup beyond these bounds is shown as text.
 */

/** Deepest nesting of lists and quotes, and of emphasis and links. */
const MAX_DEPTH = 16;

/** Most table cells. Marked fills up short rows to the header's columns, so a few lines can make a million cells. */
const MAX_CELLS = 4_000;

/** Most text that links may repeat from a definition such as `[name]: address`, in UTF-16 units. */
const MAX_REPEATED = 100_000;

/**
 * Most text that is searched for the ends of emphasis, in UTF-16 units. For each mark that opens but never closes,
 * Marked searches the rest of the text. Text that a person can read stays far below this.
 */
const MAX_SEARCHED = 500_000;

/** Longest plain text taken at a time. In it, Marked looks for an address at each letter. */
const TEXT_PIECE = 500;

/** Where a bare link may begin. The part of an e-mail address before its @ has at most 64 characters. */
const BARE_LINK = /^(?:https?:|ftp:|www\.|mailto:|xmpp:|[\w.+-]{1,64}@)/i;

/** Marked's lexer, which also counts how deep it is and what the text has cost so far. */
export class BoundedLexer extends Lexer {
  depth = -1;
  inlineDepth = -1;
  searched = 0;
  searchedForFormulas = 0;
  cells = 0;
  repeated = 0;

  constructor(options) {
    super(options);
    // Emphasis neither begins nor ends in a formula.
    const emStrongMask = (masked) => maskFormulas(this, this.inlineText, masked);
    this.options = { ...this.options, hooks: { emStrongMask } };
  }

  blockTokens(...args) {
    this.depth += 1;
    try {
      return super.blockTokens(...args);
    } finally {
      this.depth -= 1;
    }
  }

  inlineTokens(text, tokens) {
    this.inlineDepth += 1;
    this.inlineText = text;
    try {
      return super.inlineTokens(text, tokens);
    } finally {
      this.inlineDepth -= 1;
    }
  }
}

/** What a tokenizer returns to leave the text to Marked's own, and to find nothing. */
const DEFAULT = false;
const NOTHING = undefined;

/** @this {{ lexer: BoundedLexer }} */
function unlessTooDeep() {
  return this.lexer.depth < MAX_DEPTH ? DEFAULT : NOTHING;
}

/** @this {{ lexer: BoundedLexer }} */
function unlessTooDeepInline() {
  return this.lexer.inlineDepth < MAX_DEPTH ? DEFAULT : NOTHING;
}

/** @this {{ lexer: BoundedLexer }} Rejected tables count too: finding out that one is too large reads all of it. */
function tableWithin(text) {
  if (this.lexer.cells > MAX_CELLS) return NOTHING;
  const [table, , delimiters, rows = ""] = this.rules.block.table.exec(text) ?? [];
  if (delimiters === undefined) return NOTHING;
  const columns = delimiters.match(/-+/g)?.length ?? 0;
  this.lexer.cells += columns * (1 + (rows.match(/[^\n]+/g)?.length ?? 0));
  return this.lexer.cells > MAX_CELLS ? NOTHING : tableWithFormulas.call(this, text, table);
}

/** Formulas in the cells of a table. */
const IN_CELL = /\\\([^\n]{1,300}?\\\)|\$\$[^\n$]{1,300}\$\$/g;

/** A bar in a formula separates no cells. */
function tableWithFormulas(text, table) {
  const escaped = table.replace(IN_CELL, (formula) => formula.replace(/(?<!\\)\|/g, "\\|"));
  if (escaped === table) return DEFAULT;
  const token = Tokenizer.prototype.table.call(this, escaped + text.slice(table.length));
  if (token) token.raw = text.slice(0, token.raw.length - (escaped.length - table.length));
  return token;
}

/** @this {{ lexer: BoundedLexer }} */
function referenceWithin(text, links) {
  if (this.lexer.inlineDepth >= MAX_DEPTH || this.lexer.repeated > MAX_REPEATED) return NOTHING;
  const found = Tokenizer.prototype.reflink.call(this, text, links);
  this.lexer.repeated += (found?.href?.length ?? 0) + (found?.title?.length ?? 0);
  return found;
}

/** @this {{ lexer: BoundedLexer }} */
function emphasisWithin(text, masked, before) {
  const isInWord = text.startsWith("_") && /[\p{L}\p{N}]/u.test(before);
  if (!/^[*_]/.test(text) || isInWord || isExhausted(this.lexer)) return NOTHING;
  return counted(this.lexer, text, Tokenizer.prototype.emStrong.call(this, text, masked, before));
}

/** @this {{ lexer: BoundedLexer }} */
function deletionWithin(text, masked, before) {
  if (!text.startsWith("~") || isExhausted(this.lexer)) return NOTHING;
  return counted(this.lexer, text, Tokenizer.prototype.del.call(this, text, masked, before));
}

function isExhausted(lexer) {
  return lexer.inlineDepth >= MAX_DEPTH || lexer.searched > MAX_SEARCHED;
}

/** Counts what was found, or all of the text if it was searched in vain. */
function counted(lexer, text, found) {
  lexer.searched += found?.raw.length ?? text.length;
  return found;
}

/** The equals sign in a formula of several lines underlines no heading. */
function headingBeforeFormula(text) {
  const end = nextFormulaLine(text);
  return end < 0 ? DEFAULT : Tokenizer.prototype.lheading.call(this, text.slice(0, end));
}

function onlyBareLink(text) {
  return BARE_LINK.test(text) ? DEFAULT : NOTHING;
}

/** Takes plain text in pieces, cut between words if possible. Marked joins adjacent pieces. */
function inPieces(text) {
  if (text.length <= TEXT_PIECE) return DEFAULT;
  const piece = text.slice(0, TEXT_PIECE);
  const words = piece.slice(0, piece.search(/\s\S*$/) + 1);
  return Tokenizer.prototype.inlineText.call(this, words || piece);
}

/** The bounds as options of Marked. */
export const BOUNDS = {
  hooks: { provideLexer: () => (text, options) => new BoundedLexer(options).lex(text) },
  tokenizer: {
    blockquote: unlessTooDeep,
    list: unlessTooDeep,
    table: tableWithin,
    lheading: headingBeforeFormula,
    link: unlessTooDeepInline,
    reflink: referenceWithin,
    del: deletionWithin,
    emStrong: emphasisWithin,
    url: onlyBareLink,
    inlineText: inPieces,
  },
};
