/** How long the typing has to pause before a search begins. */
const PAUSE_MS = 200;

/** The search field. A search ends when the next one begins. */
export class Search {
  #field = document.querySelector("#search");
  #timer = 0;
  #abort = new AbortController();
  #handlers;

  /**
   * @param {object} handlers
   * @param {(query: string, signal: AbortSignal) => void} handlers.onSearch
   * @param {() => void} handlers.onEnd the field is empty again
   */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#field.addEventListener("input", () => this.#changed());
    this.#field.addEventListener("keydown", (event) => this.#pressed(event));
    this.#field.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.begin();
    });
  }

  /** Searches for what is in the field, if anything is. */
  begin() {
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#abort = new AbortController();
    if (this.#query() !== "") this.#handlers.onSearch(this.#query(), this.#abort.signal);
  }

  focus() {
    this.#field.select();
    this.#field.focus();
  }

  clear() {
    if (this.#field.value === "") return;
    this.#field.value = "";
    this.#changed();
  }

  #changed() {
    clearTimeout(this.#timer);
    this.#abort.abort();
    if (this.#query() === "") this.#handlers.onEnd();
    else this.#timer = setTimeout(() => this.begin(), PAUSE_MS);
  }

  #pressed(event) {
    if (event.key !== "Escape" || event.isComposing || this.#field.value === "") return;
    event.preventDefault();
    this.clear();
  }

  #query() {
    return this.#field.value.trim().toWellFormed();
  }
}
