import { loadFolded, saveFolded } from "../store.js";

/** From this width on there is room for the sidebar beside the conversation. The style sheet has the same width. */
const WIDE = "(min-width: 64rem)";

/**
 * Where the sidebar is: beside the conversation on a wide screen, where it can be folded away; else in a sheet that
 * slides over the conversation.
 */
export class Frame {
  #content = document.querySelector("#sidebar");
  #aside = document.querySelector("#beside");
  #sheet = document.querySelector("#sheet");
  #open = document.querySelector("#open-sidebar");
  #close = document.querySelector("#close-sidebar");
  #wide = matchMedia(WIDE);
  #onMoved;
  /** @type {Promise<void> | undefined} */
  #swiping;

  /** @param {(place: Element) => void} onMoved called with the open sheet, or with the body */
  constructor(onMoved) {
    this.#onMoved = onMoved;
    this.#wide.addEventListener("change", () => this.#place());
    this.#open.addEventListener("click", () => this.#unfold());
    this.#close.addEventListener("click", () => this.#fold());
    this.#sheet.addEventListener("close", () => this.#closed());
    // A click on the dialog itself, not on what is in it, is one on its backdrop.
    this.#sheet.addEventListener("click", ({ target }) => {
      if (target === this.#sheet) this.closeSheet();
    });
    this.#place();
  }

  /** Shows the sidebar, wherever it is. */
  show() {
    if (this.#content.checkVisibility()) return;
    this.#unfold();
  }

  closeSheet() {
    if (this.#sheet.open) this.#sheet.close();
  }

  #place() {
    this.closeSheet();
    (this.#wide.matches ? this.#aside : this.#sheet).append(this.#content);
    this.#setFolded(loadFolded());
  }

  #unfold() {
    if (!this.#wide.matches) {
      this.#sheet.showModal();
      this.#open.ariaExpanded = "true";
      this.#onMoved(this.#sheet);
      this.#swiping ??= this.#letSwipe();
      return;
    }
    saveFolded(false);
    this.#setFolded(false);
    this.#close.focus();
  }

  /**
   * Loaded with the first sheet. Wide screens have none, and it also closes by Escape, its button or a click beside it.
   */
  async #letSwipe() {
    try {
      const { closeBySwipe } = await import("./swipe.js");
      closeBySwipe(this.#sheet, () => this.closeSheet());
    } catch {
      this.#swiping = undefined;
    }
  }

  #fold() {
    if (!this.#wide.matches) return this.closeSheet();
    saveFolded(true);
    this.#setFolded(true);
    this.#open.focus();
  }

  #setFolded(isFolded) {
    document.body.classList.toggle("folded", isFolded);
    this.#open.ariaExpanded = "false";
  }

  #closed() {
    this.#open.ariaExpanded = "false";
    this.#onMoved(document.body);
  }
}
