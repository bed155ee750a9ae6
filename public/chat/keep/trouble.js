/** Why nothing can be kept. */
const FULL = "Nothing can be kept on this device: it is full.";
const FORBIDDEN = "Nothing can be kept in this browser.";
const LOST = "What is new is lost when this page is closed.";

/** Why what is new will not outlive the page, in words for the person. */
export class Trouble {
  #words = "";
  #act = (_) => {};

  /** Has somebody told when nothing can be kept any more, and when it can again. @param {(words: string) => void} act */
  tellTo(act) {
    this.#act = act;
    if (this.#words !== "") act(this.#words);
  }

  /** @param {unknown} error `undefined`: there is none any more */
  set(error) {
    const why = error?.name === "QuotaExceededError" ? FULL : FORBIDDEN;
    const words = error === undefined ? "" : `${why} ${LOST}`;
    if (words === this.#words) return;
    this.#words = words;
    this.#act(words);
  }
}
