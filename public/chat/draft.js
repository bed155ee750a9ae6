import { loadDraft, saveDraft, together } from "./asks.js";

/** After a reload, the draft that is shown first is this tab's own: it was typed here. */
let isReload = performance.getEntriesByType("navigation")[0]?.type === "reload";

/** What the person has written in the field and not sent, and where it belongs. */
export class Draft {
  #composer;
  #text = "";
  /** The conversation's id; `undefined`: a new conversation. @type {string | undefined} */
  #id;

  /** @param {import("./composer.js").Composer} composer */
  constructor(composer) {
    this.#composer = composer;
    // Another tab may have put its own words in the place of these.
    globalThis.addEventListener("pagehide", () => this.#text && this.save(this.#text));
  }

  /** Puts into the field what was written in a conversation before. @param {string} [id] */
  show(id) {
    this.#id = id;
    this.#composer.text = loadDraft(id);
    this.#text = isReload ? this.#composer.text : "";
    isReload = false;
  }

  /** @param {string} text all that is in the field */
  save(text) {
    this.#text = text;
    saveDraft(this.#id, text);
  }

  /** Gives the person back what is not asked in a conversation. @param {string | undefined} id @param {string[]} words */
  giveBack(id, words) {
    if (id === this.#id) this.#composer.giveBack(...words);
    else saveDraft(id, together(...words, loadDraft(id)));
  }
}
