/** The tags around what a model thought: an answer shows none of them either. */
const THOUGHT = /<\/?(?:think|thinking|reasoning)>/gi;

/** A lone `#` before anything but a capital letter may be a number sign, or a comment in code. */
const HEADING = /(?<=^…?|\s)(?:#{2,6}|#(?= [\p{Lu}\p{Lo}]))\s/gu;

/** Between words, these marks calculate or interrupt. Lists have them where a sentence ends, or before something bold. */
const LIST = /(?<=^…?|[.:!?]\s)[-*]\s(?=[^\s\d])|(?<=\s)\*\s(?=\*\*)/g;
const FENCE = /`{3,}/g;

/** Code, and what is bold or slanted. A text may have thousands of marks, so that no pattern looks far from any of them. */
const CODE = /(?<![\p{L}\p{N}`])`([^`]+)`(?![\p{L}\p{N}`])/gu;
const BOLD =
  /(?<=^…?|[\s("“‘'—])(\*{2,3})(?![\s*/.,;:)])(.{1,200}?)(?<![\s*])\1(?![\p{L}\p{N}*])/gu;
const ITALIC = /(?<=^…?|[\s("“‘'—])\*(?![\s/.,;:)])([^*]+)(?<!\s)\*(?![\p{L}\p{N}*])/gu;

/** Half of a pair whose other half is beyond the snippet. */
const CUT_BEFORE = /^(…[^*`]*[^\s*`])(?:\*\*|`)(?![\p{L}\p{N}*])/u;
const CUT_BEHIND = /(?<=[\s(])(?:\*\*|`)(?=[^\s*`][^*`]*…$)/;

/**
 * A snippet without the commonest marks of Markdown. Only marks at the borders of words go: within a word they belong to
 * it. The lines of a snippet are joined, so that some marks cannot be told from text; those stay.
 *
 * @param {string} snippet
 */
export function plainWords(snippet) {
  return snippet
    .replace(THOUGHT, " ")
    .replace(LIST, "")
    .replace(HEADING, "")
    .replace(FENCE, "")
    .replace(BOLD, "$2")
    .replace(ITALIC, "$1")
    .replace(CODE, "$1")
    .replace(CUT_BEFORE, "$1")
    .replace(CUT_BEHIND, "");
}
