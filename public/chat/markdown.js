import DOMPurify from "dompurify";
import { Marked } from "marked";
import { BOUNDS, BoundedLexer } from "./bounds.js";
import { copyOnClick } from "./copy.js";

/**
 * What a model wrote, as elements. It is a stranger's text: HTML in it is shown as it is written, and nothing in it is
 * loaded, run or sent anywhere by itself.
 */

/** HTML that models write in the middle of Markdown for lack of another way, and that can do nothing. */
const HARMLESS_HTML = /^<\/?(?:br|kbd|mark|sub|sup|u) ?\/?>$/i;

const marked = new Marked({
  gfm: true,
  breaks: true,
  ...BOUNDS,
  renderer: {
    html: ({ text, block }) => {
      if (HARMLESS_HTML.test(text.trim())) return text;
      return block ? `<p>${escapeHtml(text.trimEnd())}</p>` : escapeHtml(text);
    },
    image: ({ href, text }) => `<a href="${escapeHtml(href)}">${escapeHtml(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    listitem({ task, tokens }) {
      return `<li${task ? ' class="task"' : ""}>${this.parser.parse(tokens)}</li>`;
    },
  },
});

const CLEAN = {
  ALLOWED_TAGS: [
    ..."a blockquote br code del em h1 h2 h3 h4 h5 h6 hr kbd li mark ol p pre strong".split(" "),
    ..."sub sup table tbody td th thead tr u ul".split(" "),
  ],
  ALLOWED_ATTR: ["align", "class", "href", "start", "title"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  // Values that are no addresses need not look like one.
  ADD_URI_SAFE_ATTR: ["align", "start"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/**
 * The lengths of the blocks that a text begins with: paragraphs, lists, code blocks. All but the last are what they
 * are, whatever comes after them.
 *
 * @param {string} text
 * @returns {number[]}
 */
export function blockLengths(text) {
  const lengths = [];
  let blank = 0;
  for (const { type, raw } of new BoundedLexer(marked.defaults).blockTokens(text, [])) {
    if (type === "space") blank += raw.length;
    else {
      lengths.push(blank + raw.length);
      blank = 0;
    }
  }
  return lengths;
}

/**
 * Renders Markdown.
 *
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function renderMarkdown(text) {
  const fragment = DOMPurify.sanitize(marked.parse(text), CLEAN);
  for (const link of fragment.querySelectorAll("a[href]")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer";
  }
  for (const table of fragment.querySelectorAll("table")) frame(table, "table");
  for (const pre of fragment.querySelectorAll("pre")) frameCode(pre);
  return fragment;
}

/** What is wider than the page scrolls by itself, by keyboard too. */
function frame(element, name) {
  const box = document.createElement("div");
  box.className = name;
  box.tabIndex = 0;
  element.replaceWith(box);
  box.append(element);
}

function frameCode(pre) {
  const code = pre.querySelector("code") ?? pre;
  const { content } = document.querySelector("#code-block");
  const box = document.importNode(content, true).firstElementChild;
  box.querySelector("span").textContent = code.className.replace(/^language-/, "");
  copyOnClick(box.querySelector("button"), () => code.textContent);
  pre.replaceWith(box);
  pre.tabIndex = 0;
  box.append(pre);
}

function escapeHtml(text) {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
