/** Longest text that is announced to screen readers. A longer answer is better read on the page. */
const MAX_LENGTH = 2_000;

/** What is not read out: what the page itself says, and what the model thought. */
const SILENT = ".thinking, .code-head, button";

/** What a formula stands between. */
const DELIMITERS = /^(?:\\[([]|\$\$?)|(?:\\[)\]]|\$\$?)$/g;

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
  const text = startOf(answer)
    .replace(/,? *\n\s*/g, "\n")
    .trim();
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)} …` : text;
}

/** More of the text than is announced. Of a long answer, the rest is not looked at. */
function startOf(answer) {
  let text = "";
  for (const group of answer.children) {
    text += textOf(group);
    if (text.length > 2 * MAX_LENGTH) break;
  }
  return text;
}

function textOf(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(SILENT)) return "";
  const text = node.matches(".formula") ? sourceOf(node) : contentOf(node);
  if (BREAKS.has(node.tagName) || node.matches(".display")) return `${text}\n`;
  return CELLS.has(node.tagName) ? `${text}, ` : text;
}

function contentOf(node) {
  // The colours of code are of no matter.
  if (node.tagName === "PRE") return node.textContent;
  return Array.from(node.childNodes, textOf).join("");
}

/** The source of a formula. It says more than the letters in a row. */
function sourceOf(formula) {
  const drawn = formula.querySelector("annotation");
  return drawn?.textContent ?? formula.textContent.replace(DELIMITERS, "");
}
