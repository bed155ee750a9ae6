/** Longest text that is announced to screen readers. A longer answer is better read on the page. */
const MAX_LENGTH = 2000;

/** Elements between which a reader pauses. Without a mark there, the text of one would run into that of the next. */
const SEPARATE = "p, li, h1, h2, h3, h4, h5, h6, td, th, pre, br, hr";

/** Controls in an answer, which are not part of it. */
const CONTROLS = ".code-head, button, summary";

/** An answer as it is said. @param {HTMLElement} answer */
export function spokenText(answer) {
  const parts = [];
  let length = 0;
  for (const part of partsOf(answer)) {
    parts.push(part);
    length += part.trim().length;
    if (length > MAX_LENGTH) break;
  }
  const text = parts
    .join("")
    .replace(/\s*\n\s*/g, "\n")
    .trim();
  return length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)} …` : text;
}

/** The texts in an element, with a line end on both sides of what is separate. @returns {Generator<string>} */
function* partsOf(element) {
  for (const node of element.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) yield node.data;
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(CONTROLS)) continue;
    const isSeparate = node.matches(SEPARATE);
    if (isSeparate) yield "\n";
    yield* partsOf(node);
    if (isSeparate) yield "\n";
  }
}
