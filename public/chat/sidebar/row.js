/** Longest title, in characters as the API counts them. */
const MAX_TITLE_LENGTH = 200;

/** A conversation's row in the list. */
export class Row {
  /** @type {import("../keep/server.js").Summary} */
  summary;
  #query = "";
  #link;
  #more;

  /** @param {{ onOpen: (summary: Row["summary"]) => void, onMenu: (row: Row) => void }} handlers */
  constructor({ onOpen, onMenu }) {
    const { content } = document.querySelector("#conversation-row");
    this.element = document.importNode(content, true).firstElementChild;
    this.#link = this.element.querySelector("a");
    this.#more = this.element.querySelector(".more");
    this.#link.addEventListener("click", (event) => {
      // Any other click opens a tab or a window, as on every link.
      if (event.button > 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
        return;
      event.preventDefault();
      onOpen(this.summary);
    });
    this.#more.addEventListener("click", () => onMenu(this));
  }

  /**
   * @param {import("../keep/server.js").Summary} summary
   * @param {string} [query] what was searched for
   * @param {typeof import("./search-parts.js")} [parts] without them, what was found is shown as it is written
   */
  show(summary, query = "", parts = undefined) {
    if (this.summary === summary && this.#query === query) return;
    this.summary = summary;
    this.#query = query;
    const { id, title, snippet = "", state } = summary;
    this.element.dataset.id = id;
    // In a tab of its own, it opens where the words are, too.
    const sought = snippet && `#${new URLSearchParams({ find: query, in: snippet })}`;
    this.#link.href = `/c/${id}${sought}`;
    this.#link.title = title;
    this.#find(".title").textContent = title;
    this.#find(".snippet").textContent = snippet;
    parts?.showFound(this.#find(".title"), title, query);
    parts?.showFound(this.#find(".snippet"), parts.plainWords(snippet), query);
    this.#find(".running").hidden = state !== "streaming";
    this.#more.ariaLabel = `Options for ${title}`;
  }

  /** @param {boolean} isOpen whether the page shows this conversation */
  mark(isOpen) {
    if (isOpen) this.#link.setAttribute("aria-current", "page");
    else this.#link.removeAttribute("aria-current");
  }

  focus() {
    this.#link.focus({ preventScroll: true });
  }

  /** The button that the menu belongs to. @returns {HTMLButtonElement} */
  get button() {
    return this.#more;
  }

  /** Edits the title in its place. @param {(title: string) => void} onEnd is told the title as it is then */
  rename(onEnd) {
    const field = document.createElement("input");
    const { title } = this.summary;
    Object.assign(field, { className: "rename", value: title, ariaLabel: "Title", dir: "auto" });
    field.autocomplete = "off";
    let isOver = false;
    const end = (isKept, hasFocus) => {
      if (isOver) return;
      isOver = true;
      const entered = Array.from(field.value.trim().toWellFormed());
      field.remove();
      this.element.classList.remove("renaming");
      if (hasFocus) this.focus();
      const renamed = entered.slice(0, MAX_TITLE_LENGTH).join("");
      onEnd((isKept && renamed) || title);
    };
    field.addEventListener("blur", () => end(true, false));
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      end(event.key === "Enter", true);
    });
    this.element.classList.add("renaming");
    this.element.append(field);
    field.select();
    field.focus();
  }

  /** @returns {HTMLElement} */
  #find(selector) {
    return this.element.querySelector(selector);
  }
}
