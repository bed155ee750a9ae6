/** How often an answer that is coming is saved. */
const SAVE_MS = 250;

/** How long a page may take to go. */
const LEAVING_MS = 2000;

/** Saves at once, then now and then, and when the page is left. */
export class Saving {
  #save;
  #timer;
  #isDue = false;
  #over = new AbortController();
  #isLeaving = false;
  #onStay = () => {};

  /** @param {() => void} save waits for nothing */
  constructor(save) {
    this.#save = save;
    const { signal } = this.#over;
    addEventListener("pageshow", () => this.#stay(), { signal });
    addEventListener("pagehide", () => this.#leave(), { signal });
    // Firefox cuts off the answer between these two. Whoever downloads a file, say, is not gone after the first.
    const onBeforeUnload = () => {
      this.#leave();
      setTimeout(() => this.#stay(), LEAVING_MS);
    };
    addEventListener("beforeunload", onBeforeUnload, { signal });
  }

  soon() {
    this.#isDue = true;
    if (this.#timer === undefined) this.#now();
  }

  /** Waits while the page is being left. That cuts off the answer, which is no failure of the connection. */
  async stays() {
    if (!this.#isLeaving) return;
    await new Promise((resolve) => {
      this.#onStay = resolve;
    });
  }

  end() {
    clearTimeout(this.#timer);
    this.#over.abort();
  }

  #now() {
    this.#timer = undefined;
    if (!this.#isDue) return;
    this.#isDue = false;
    this.#save();
    this.#timer = setTimeout(() => this.#now(), SAVE_MS);
  }

  #leave() {
    this.#isLeaving = true;
    this.#save();
  }

  #stay() {
    this.#isLeaving = false;
    this.#onStay();
  }
}
