import { marked } from "marked";

/** A text that is HTML already. */
class Html {
  #text;

  constructor(text) {
    this.#text = text;
  }

  toString() {
    return this.#text;
  }
}

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** HTML from a template: texts are escaped, lists are joined, and what is missing or false is left out. */
export function html(strings, ...values) {
  return new Html(String.raw({ raw: strings }, ...values.map(embed)));
}

/** Paragraphs of Markdown. @param {string} [text] ours: it is not sanitized */
export function markdown(text = "") {
  return new Html(marked.parse(text));
}

/** A line of Markdown. @param {string} [text] ours: it is not sanitized */
export function inline(text = "") {
  return new Html(marked.parseInline(text));
}

/** Markdown whose first paragraph is shown and the rest folded. */
export function folded(text = "", title = "More about this") {
  const [first, ...rest] = text.split("\n\n");
  const more = html`<details class="more"><summary>${title}</summary>${markdown(rest.join("\n\n"))}</details>`;
  return html`${markdown(first)}${rest.length > 0 && more}`;
}

function embed(value) {
  if (value === undefined || value === null || value === false) return "";
  if (value instanceof Html) return `${value}`;
  if (Array.isArray(value)) return value.map(embed).join("");
  return `${value}`.replace(/[&<>"]/g, (character) => ESCAPES[character]);
}
