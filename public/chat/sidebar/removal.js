/**
 * Deletes conversations so that a slip can be undone: a conversation is hidden at once, and really deleted when the
 * message about it goes or the page is left.
 */
export class Removals {
  /** What is hidden: not deleted yet, or being deleted. @type {Set<string>} */
  #hidden = new Set();
  #toast;
  #handlers;

  /**
   * @param {import("./toast.js").Toast} toast
   * @param {object} handlers
   * @param {(id: string) => Promise<void>} handlers.remove
   * @param {(id: string) => void} handlers.onUndo it is to be shown again
   * @param {(id: string) => void} handlers.onRemoved
   * @param {(id: string, error: any) => void} handlers.onFailure it still exists and is to be shown again
   */
  constructor(toast, handlers) {
    this.#toast = toast;
    this.#handlers = handlers;
    addEventListener("pagehide", () => this.#toast.dismiss());
  }

  /** @param {string} id */
  isHidden(id) {
    return this.#hidden.has(id);
  }

  /** @param {string} id */
  begin(id) {
    this.#hidden.add(id);
    this.#toast.show("Deleted.", {
      action: "Undo",
      onAction: () => {
        this.#hidden.delete(id);
        this.#handlers.onUndo(id);
      },
      onGone: () => this.#finish(id),
    });
  }

  async #finish(id) {
    try {
      await this.#handlers.remove(id);
    } catch (error) {
      // One that another device has deleted meanwhile is as good as deleted here.
      if (error.status !== 404) {
        this.#hidden.delete(id);
        return this.#handlers.onFailure(id, error);
      }
    }
    this.#hidden.delete(id);
    this.#handlers.onRemoved(id);
  }
}
