import { load, save } from "../store.js";

/** Under this name, a page that is left leaves word of what it may not have deleted any more. */
const LEFT = "to-be-deleted";

/**
 * Deletes conversations so that a slip can be undone: a conversation is hidden at once, and really deleted when the
 * message about it goes or the page is left.
 */
export class Removals {
  /** What is hidden, and what is being done about it once its message has gone. @type {Map<string, Promise<void>>} */
  #hidden = new Map();
  #toast;
  #handlers;

  /**
   * @param {import("./toast.js").Toast} toast
   * @param {object} handlers
   * @param {(id: string) => Promise<void>} handlers.remove
   * @param {(id: string) => void} handlers.onUndo it is to be shown again
   * @param {(id: string) => void} handlers.onRemoved
   * @param {(error: any) => void} handlers.onFailure one still exists and is to be shown again
   */
  constructor(toast, handlers) {
    this.#toast = toast;
    this.#handlers = handlers;
    addEventListener("pagehide", () => {
      if (this.#hidden.size === 0) return;
      save(LEFT, [...new Set([...left(), ...this.#hidden.keys()])]);
      this.#toast.dismiss();
    });
  }

  /** Deletes what an earlier page was left with. */
  resume() {
    for (const id of left()) this.#finish(id);
  }

  /** @param {string} id */
  isHidden(id) {
    return this.#hidden.has(id);
  }

  /** @param {string} id */
  begin(id) {
    this.#hidden.set(id, Promise.resolve());
    this.#toast.show("Deleted.", {
      action: "Undo",
      onAction: () => {
        this.#hidden.delete(id);
        this.#handlers.onUndo(id);
      },
      onGone: () => this.#finish(id),
    });
  }

  /** Ends the wait, and resolves when everything is deleted that is to be. */
  async settle() {
    this.#toast.dismiss();
    await Promise.all(this.#hidden.values());
  }

  #finish(id) {
    this.#hidden.set(id, this.#remove(id));
  }

  async #remove(id) {
    let failure;
    try {
      await this.#handlers.remove(id);
    } catch (error) {
      // One that another device has deleted meanwhile is as good as deleted here.
      if (error.status !== 404) failure = error;
    }
    this.#hidden.delete(id);
    const others = left().filter((each) => each !== id);
    save(LEFT, others.length > 0 ? others : undefined);
    if (failure) this.#handlers.onFailure(failure);
    else this.#handlers.onRemoved(id);
  }
}

/** @returns {string[]} what this page or others were left with */
function left() {
  return load(LEFT) ?? [];
}
