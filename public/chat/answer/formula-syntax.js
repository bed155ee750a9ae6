import { escapeHtml } from "./escape.js";

/**
 * Finds formulas in a model's Markdown: `\(…\)`, `\[…\]` and `$$…$$`, and `$…$` where it cannot be an amount of dollars.
 * They come before Marked's own rules, so that no underscore or backslash in them is lost.
 */

/** Longest formula, in UTF-16 units. */
const MAX_LENGTH = 3_000;

/** Most text that is searched in vain for the ends of formulas. Text that a person can read stays far below this. */
const MAX_SEARCHED = 500_000;

/** From delimiter to delimiter. A backslash takes the next letter with it, and a blank line ends every formula. */
const FORMULAS = {
  "\\(": /^\\\(((?:[^\\\n]|\\[^)]|\n(?![ \t]*\n))+?)\\\)/,
  "\\[": /^\\\[((?:[^\\\n]|\\[^\]]|\n(?![ \t]*\n))+?)\\\]/,
  $$: /^\$\$((?:[^\\\n$]|\\[\s\S]|\n(?![ \t]*\n)|\$(?!\$))+?)\$\$/,
  $: /^\$(?![\s$])((?:[^\\\n$]|\\[^\n]){1,300})(?<!\s)\$(?![\w$])/,
};
const OPENINGS = Object.keys(FORMULAS);
const FIRST_LINE = /^ {0,3}(?=\\\[|\$\$)/;
const LATER_LINE = /\n {0,3}(?=\\\[|\$\$)/;

/** What formulas have and words in brackets do not. */
const SIGNS = /[\\^_=<>+{}|]/;

/** What only formulas have. */
const COMMANDS = /\\[a-z]|\^|_\{/i;

/** A long word, or a short one between blanks. */
const PROSE = /[a-z]{3}|(?:^|\s)[a-z]{2}\s|\s[a-z]{2}(?:\s|$)/i;

/**
 * The formula with which a text begins, delimiters included.
 *
 * @param {import("./bounds.js").BoundedLexer} lexer counts what the search costs
 * @param {string} text
 * @param {string} before the letter before it
 * @returns {string | undefined}
 */
function formulaAt(lexer, text, before) {
  const opening = OPENINGS.find((each) => text.startsWith(each));
  if (!opening || lexer.searchedForFormulas > MAX_SEARCHED) return undefined;
  const start = text.slice(0, MAX_LENGTH);
  const [raw, body] = FORMULAS[opening].exec(start) ?? [];
  if (isFormula(opening, body, before)) return raw;
  lexer.searchedForFormulas += (raw ?? start).length;
  return undefined;
}

function isFormula(opening, body, before) {
  if (!body?.trim() || (opening.startsWith("$") && before === "$")) return false;
  // `\[1\]` says that the brackets are no link.
  if (opening === "\\[") return SIGNS.test(body);
  if (opening === "$") return !/[\w\\]/.test(before) && (COMMANDS.test(body) || !PROSE.test(body));
  return true;
}

/** A formula among words. */
const formula = {
  name: "formula",
  level: "inline",
  // Nothing longer than this is taken for plain text at a time.
  start: (text) => text.slice(0, 500).indexOf("$"),
  tokenizer(text, tokens) {
    const raw = formulaAt(this.lexer, text, tokens.at(-1)?.raw.at(-1) ?? "");
    return raw && { type: "formula", raw };
  },
  renderer: ({ raw }) => placeholder(raw),
};

/** A formula in lines of its own. While it grows, it is shown as it is written. */
const formulaBlock = {
  name: "formulaBlock",
  level: "block",
  start(text) {
    return this.lexer.searchedForFormulas > MAX_SEARCHED ? -1 : nextFormulaLine(text);
  },
  tokenizer(text) {
    const [indent] = FIRST_LINE.exec(text) ?? [];
    if (indent === undefined) return undefined;
    const source = text.slice(indent.length);
    const raw = formulaAt(this.lexer, source, "");
    const [rest] = /^[ \t]*(?:\n|$)/.exec(source.slice(raw?.length)) ?? [];
    if (raw === undefined || rest === undefined) {
      // Marked reads the rest of the paragraph again.
      this.lexer.searchedForFormulas += text.length;
      return raw === undefined ? unfinished(text) : undefined;
    }
    return { type: "formulaBlock", raw: indent + raw + rest, source: raw };
  },
  renderer: ({ raw, source }) =>
    source === undefined ? `<p>${escapeHtml(raw)}</p>` : placeholder(source),
};

function unfinished(text) {
  const body = text.trimStart().slice(2);
  const closing = text.trimStart().startsWith("$") ? "$$" : "\\]";
  const isEnded = text.length > MAX_LENGTH || body.includes(closing) || /\n[ \t]*\n/.test(body);
  return isEnded ? undefined : { type: "formulaBlock", raw: text };
}

/** The extensions of Marked that find formulas. */
export const FORMULA_EXTENSIONS = [formulaBlock, formula];

/**
 * Where in a paragraph the next line begins that may be a formula of its own.
 *
 * @param {string} text what begins with the paragraph
 * @returns {number} -1 if there is none
 */
export function nextFormulaLine(text) {
  const end = text.indexOf("\n\n");
  const at = (end < 0 ? text : text.slice(0, end)).search(LATER_LINE);
  return at < 0 ? at : at + 1;
}

/**
 * Hides formulas from the search for the ends of emphasis.
 *
 * @param {import("./bounds.js").BoundedLexer} lexer
 * @param {string} text
 * @param {string} masked the text as long, in which code, links and escaped letters are hidden already
 * @returns {string}
 */
export function maskFormulas(lexer, text, masked) {
  let result = "";
  let end = 0;
  for (const { index } of text.matchAll(/\\[([]|\$/g)) {
    // Code and links are no formulas.
    const isHidden = !"+$".includes(masked[index]);
    if (index < end || isHidden) continue;
    const raw = formulaAt(lexer, text.slice(index), text[index - 1] ?? "");
    if (!raw) continue;
    result += masked.slice(end, index) + "a".repeat(raw.length);
    end = index + raw.length;
  }
  return result + masked.slice(end);
}

function placeholder(source) {
  const kind = /^(?:\\\[|\$\$)/.test(source) ? "formula display" : "formula";
  return `<code class="${kind}">${escapeHtml(source)}</code>`;
}
