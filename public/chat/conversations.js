import { forgetAsks, onAsksElsewhere } from "./asks.js";

/**
 * The conversations that the page has at hand: the one that is shown, and those whose answers are being read.
 *
 * @typedef {import("./conversation.js").Conversation} Conversation
 */
export class Conversations {
  /** @type {Map<string, Conversation>} */
  #byId = new Map();

  constructor() {
    onAsksElsewhere((id) => this.get(id)?.takeInAsks());
  }

  /** Whether no answer is being read. */
  get areAtRest() {
    return Array.from(this.#byId.values()).every(({ isBusy }) => !isBusy);
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** @param {Conversation} conversation */
  add(conversation) {
    this.#byId.set(conversation.id, conversation);
  }

  /** One that is shown no more goes on only as long as an answer is being read. @param {Conversation} conversation */
  leave(conversation) {
    if (conversation.isBusy) return;
    // What it has asked its keeper for may come yet.
    conversation.close();
    this.drop(conversation.id);
  }

  drop(id) {
    this.#byId.delete(id);
  }

  /** Leaves nothing of one that is gone, nor of what was to be asked in it. */
  forget(id) {
    this.get(id)?.close();
    this.drop(id);
    forgetAsks(id);
  }

  closeAll() {
    for (const conversation of this.#byId.values()) conversation.close();
    this.#byId.clear();
  }
}
