/** The open conversation is not looked at again sooner than this. */
const LOOK_MS = 2000;

/** Tells when the open conversation is to be looked at again, for what has happened to it elsewhere. */
export class Lookout {
  #onLook;
  #lookedAt = 0;

  /** @param {() => void} onLook */
  constructor(onLook) {
    this.#onLook = onLook;
    addEventListener("online", () => this.look());
    addEventListener("pageshow", ({ persisted }) => persisted && this.look());
    addEventListener("focus", () => this.#lookSoon());
    document.addEventListener("visibilitychange", () => document.hidden || this.#lookSoon());
  }

  look() {
    this.#lookedAt = Date.now();
    this.#onLook();
  }

  #lookSoon() {
    // The clock may have been set back.
    if (Math.abs(Date.now() - this.#lookedAt) >= LOOK_MS) this.look();
  }
}
