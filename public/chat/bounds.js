import { Lexer, Tokenizer } from "marked";

/**
 * What a rendering may cost, whatever the text is. Some texts that nobody would write take the renderer time that grows
 * with the square of their length; what lies beyond these bounds is shown as it is written.
 */

/** Lists and quotes that are nested deeper than this are shown as they are written, and so are emphasis and links. */
const DEEPEST = 16;

/**
 * How many cells the tables of one rendering may have. A row that is written short is filled up to the columns of the
 * header, so a few lines can make a million cells. Tables beyond it are shown as they are written.
 */
const MOST_CELLS = 4_000;

/** How much text links may repeat that is written once, in a definition such as `[name]: address`, in UTF-16 units. */
const MOST_REPEATED = 100_000;

/**
 * How much text one rendering may look through for the ends of emphasis, in UTF-16 units. For each beginning that has no
 * end the renderer looks through all that follows, so a text of nothing else would take seconds; one that a person can
 * read stays far below. Beginnings beyond it are shown as they are written.
 */
const FARTHEST_SEARCH = 500_000;

/** How far one look for the end of plain text goes, in which the renderer looks for an address behind each letter. */
const TEXT_PIECE = 500;

/** Where a link without marks may begin; the part of an e-mail address before its @ has at most 64 letters. */
const BARE_LINK = /^(?:https?:|ftp:|www\.|mailto:|xmpp:|[\w.+-]{1,64}@)/i;

/** The renderer's reader of blocks and of what is in them, which knows how deep it is and what it has cost so far. */
export class BoundedLexer extends Lexer {
  depth = -1;
  inlineDepth = -1;
  searched = 0;
  cells = 0;
  repeated = 0;

  blockTokens(...args) {
    this.depth += 1;
    try {
      return super.blockTokens(...args);
    } finally {
      this.depth -= 1;
    }
  }

  inlineTokens(...args) {
    this.inlineDepth += 1;
    try {
      return super.inlineTokens(...args);
    } finally {
      this.inlineDepth -= 1;
    }
  }
}

/** What a tokenizer says where it leaves a text to the usual one, and where it finds nothing. */
const USUAL = false;
const NOTHING = undefined;

/** @this {{ lexer: BoundedLexer }} */
function unlessTooDeep() {
  return this.lexer.depth < DEEPEST ? USUAL : NOTHING;
}

/** @this {{ lexer: BoundedLexer }} */
function unlessTooDeepInline() {
  return this.lexer.inlineDepth < DEEPEST ? USUAL : NOTHING;
}

/** @this {{ lexer: BoundedLexer }} Tables that are refused count too: each look at one goes to its end. */
function tableWithin(text) {
  if (this.lexer.cells > MOST_CELLS) return NOTHING;
  const [, , delimiters, rows = ""] = this.rules.block.table.exec(text) ?? [];
  if (delimiters === undefined) return NOTHING;
  const columns = delimiters.match(/-+/g)?.length ?? 0;
  this.lexer.cells += columns * (1 + (rows.match(/[^\n]+/g)?.length ?? 0));
  return this.lexer.cells > MOST_CELLS ? NOTHING : USUAL;
}

/** @this {{ lexer: BoundedLexer }} */
function referenceWithin(text, links) {
  if (this.lexer.inlineDepth >= DEEPEST || this.lexer.repeated > MOST_REPEATED) return NOTHING;
  const found = Tokenizer.prototype.reflink.call(this, text, links);
  this.lexer.repeated += (found?.href?.length ?? 0) + (found?.title?.length ?? 0);
  return found;
}

/** @this {{ lexer: BoundedLexer }} */
function emphasisWithin(text, masked, before) {
  const isInWord = text.startsWith("_") && /[\p{L}\p{N}]/u.test(before);
  if (!/^[*_]/.test(text) || isInWord || mayNotSearch(this.lexer)) return NOTHING;
  return counted(this.lexer, text, Tokenizer.prototype.emStrong.call(this, text, masked, before));
}

/** @this {{ lexer: BoundedLexer }} */
function deletionWithin(text, masked, before) {
  if (!text.startsWith("~") || mayNotSearch(this.lexer)) return NOTHING;
  return counted(this.lexer, text, Tokenizer.prototype.del.call(this, text, masked, before));
}

function mayNotSearch(lexer) {
  return lexer.inlineDepth >= DEEPEST || lexer.searched > FARTHEST_SEARCH;
}

/** What was found, or all of the text that was looked through in vain, is on the rendering's account. */
function counted(lexer, text, found) {
  lexer.searched += found?.raw.length ?? text.length;
  return found;
}

function unlessNoLink(text) {
  return BARE_LINK.test(text) ? USUAL : NOTHING;
}

/** Takes plain text piece by piece, between words where there are any; pieces side by side become one. */
function inPieces(text) {
  if (text.length <= TEXT_PIECE) return USUAL;
  const piece = text.slice(0, TEXT_PIECE);
  const words = piece.slice(0, piece.search(/\s\S*$/) + 1);
  return Tokenizer.prototype.inlineText.call(this, words || piece);
}

/** The bounds as the renderer takes them. */
export const BOUNDS = {
  hooks: { provideLexer: () => (text, options) => new BoundedLexer(options).lex(text) },
  tokenizer: {
    blockquote: unlessTooDeep,
    list: unlessTooDeep,
    table: tableWithin,
    link: unlessTooDeepInline,
    reflink: referenceWithin,
    del: deletionWithin,
    emStrong: emphasisWithin,
    url: unlessNoLink,
    inlineText: inPieces,
  },
};
