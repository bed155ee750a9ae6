import { dayOf } from "./days.js";
import { Row } from "./row.js";

/** @typedef {import("../keep/server.js").Summary} Summary */

/** The rows of conversations, the newest first, under the days of their last change. */
export class ConversationList {
  #element = document.querySelector("#conversations");
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Map<string, HTMLElement>} */
  #days = new Map();
  #handlers;

  /** @param {ConstructorParameters<typeof Row>[0]} handlers */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /**
   * Shows these conversations and no others. What has the focus keeps it, also in a row that moves.
   *
   * @param {Summary[]} summaries in their order
   * @param {{ openId?: string, query?: string, parts?: Parameters<Row["show"]>[2] }} options
   */
  show(summaries, { openId, query, parts }) {
    const now = new Date();
    const focused = document.activeElement;
    /** @type {Map<string, Element[]>} */
    const days = new Map();
    for (const summary of summaries) {
      const row = this.#rows.get(summary.id) ?? new Row(this.#handlers);
      this.#rows.set(summary.id, row);
      row.show(summary, query, parts);
      row.mark(summary.id === openId);
      const day = dayOf(summary.updated_at, now);
      if (!days.has(day)) days.set(day, []);
      days.get(day).push(row.element);
    }
    const sections = Array.from(days, ([day, rows]) => {
      const section = this.#days.get(day) ?? newDay(day);
      this.#days.set(day, section);
      arrange(section.querySelector("ul"), rows);
      return section;
    });
    arrange(this.#element, sections);
    if (this.#element.contains(focused)) focused.focus({ preventScroll: true });
    const shown = new Set(summaries.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!shown.has(id)) this.#rows.delete(id);
  }

  /** @param {string | undefined} openId the conversation that the page shows */
  mark(openId) {
    for (const [id, row] of this.#rows) row.mark(id === openId);
  }

  /** @param {string} id */
  row(id) {
    return this.#rows.get(id);
  }

  /** The row below one, or else above it. @param {string} id */
  neighbour(id) {
    const ids = Array.from(this.#element.querySelectorAll("li"), ({ dataset }) => dataset.id);
    const at = ids.indexOf(id);
    return this.#rows.get(ids[at + 1] ?? ids[at - 1]);
  }
}

function newDay(day) {
  const section = document.createElement("section");
  const heading = document.createElement("h2");
  heading.textContent = day;
  section.append(heading, document.createElement("ul"));
  return section;
}

/** Makes these the only children, moving no more of them than needed. */
function arrange(parent, children) {
  let at = parent.firstElementChild;
  for (const child of children) {
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
  while (at) {
    const next = at.nextElementSibling;
    at.remove();
    at = next;
  }
}
