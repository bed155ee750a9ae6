/** Longest text that is announced to screen readers. A longer answer is better read on the page. */
const MAX_LENGTH = 2000;

/** Elements between which a reader pauses. Without a mark there, the text of one would run into that of the next. */
const SEPARATE = "p, li, h1, h2, h3, h4, h5, h6, td, th, pre, br, hr";

/** Controls in an answer, which are not part of it. */
const CONTROLS = ".code-head, button, summary";

/** An answer as it is said. @param {HTMLElement} answer */
export function spokenText(answer) {
  const copy = answer.cloneNode(true);
  for (const control of copy.querySelectorAll(CONTROLS)) control.remove();
  for (const element of copy.querySelectorAll(SEPARATE)) element.after("\n");
  const text = copy.textContent.replace(/\s*\n\s*/g, "\n").trim();
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)} …` : text;
}
