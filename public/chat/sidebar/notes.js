import { sentencesOf } from "../api.js";

/** How far before its end the list is continued, so that nobody who scrolls has to wait. */
const AHEAD = "800px";

/** What stands below the list: that it goes on, is empty, or could not be loaded. */
export class Notes {
  #element = document.querySelector("#list-end");
  #text = this.#element.querySelector("p");
  #button = this.#element.querySelector("button");
  #status = document.querySelector("#list-status");
  #handlers;
  #onButton = () => {};
  /** Tells when the end comes into sight. */
  #observer = new IntersectionObserver(
    (entries) => {
      // A busy page gets several at once, and only the last says how it is now.
      if (entries.at(-1).isIntersecting) this.#handlers.onMore();
    },
    { root: document.querySelector("#list-scroller"), rootMargin: AHEAD },
  );

  /**
   * @param {object} handlers
   * @param {() => void} handlers.onMore the next page is wanted
   * @param {() => void} handlers.onToken the access token is to be asked for
   */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#button.addEventListener("click", () => this.#onButton());
  }

  loading() {
    this.#show("Loading…");
  }

  /** @param {{ count: number, isComplete: boolean, isCopy: boolean, query: string }} listed */
  listed({ count, isComplete, isCopy, query }) {
    if (!isComplete) this.#show("Loading…");
    else if (isCopy) this.#show("You are offline. These can still be read.");
    else if (count > 0) this.#show("");
    else
      this.#show(query ? `Nothing found for “${query}”` : "Your conversations will be listed here");
    this.#status.textContent = query ? found(count, isComplete) : "";
    // Only a new observation tells again of an end that is still in sight.
    this.#observer.disconnect();
    if (!isComplete) this.#observer.observe(this.#element);
  }

  /** @param {any} error */
  failed(error) {
    this.#observer.disconnect();
    if (error.status === 401) return this.needsToken();
    this.#show(`The list could not be loaded. ${explain(error)}`, "Try again", () => {
      this.loading();
      this.#handlers.onMore();
    });
  }

  needsToken() {
    this.#observer.disconnect();
    this.#show("Your conversations need your access token.", "Enter your access token", () =>
      this.#handlers.onToken(),
    );
  }

  #show(text, action = "", onButton = () => {}) {
    this.#text.textContent = text;
    this.#button.textContent = action;
    this.#button.hidden = action === "";
    this.#onButton = onButton;
  }
}

/** What went wrong and what to do, in a sentence or two. @param {any} error */
export function explain({ problem }) {
  return problem ? sentencesOf(problem) : "Reload the page and try again.";
}

function found(count, isComplete) {
  if (!isComplete) return `${count} conversations found, and there are more`;
  return count === 1 ? "One conversation found" : `${count || "No"} conversations found`;
}
