/** Longest text that is announced to screen readers. A longer answer is better read on the page. */
const MAX_LENGTH = 2_000;

/** What is not read out: what the page itself says, and what the model thought. */
const SILENT = ".thinking, .code-head, .katex-html, button";

/** Elements after which a reader pauses. */
const BREAKS = new Set(["BR", "HR", "P", "LI", "PRE", "TR", "H1", "H2", "H3", "H4", "H5", "H6"]);
const CELLS = new Set(["TD", "TH"]);

/**
 * The text of an answer as a screen reader announces it, with a line end or a comma where the page has a gap.
 *
 * @param {Element} answer
 * @returns {string}
 */
export function spokenText(answer) {
  const text = textOf(answer)
    .replace(/,? *\n\s*/g, "\n")
    .trim();
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)} …` : text;
}

function textOf(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(SILENT)) return "";
  // The source says more than the letters of a formula in a row.
  if (node.localName === "math") return node.querySelector("annotation").textContent;
  const text = Array.from(node.childNodes, textOf).join("");
  if (BREAKS.has(node.tagName)) return `${text}\n`;
  return CELLS.has(node.tagName) ? `${text}, ` : text;
}
