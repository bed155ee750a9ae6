import { isOffline } from "./server.js";

/**
 * The conversations of the service, and beside them those that this browser has kept while the service kept none. Each
 * stays where it is. The interface is that of `ServerKeeper`.
 */
export class BothKeeper {
  /** @type {"server"} */
  kind = "server";
  #server;
  #here;

  /** @param {import("./server.js").ServerKeeper} server @param {import("./browser.js").BrowserKeeper} here */
  constructor(server, here) {
    this.#server = server;
    this.#here = here;
  }

  onTrouble(act) {
    this.#here.onTrouble(act);
  }

  /** A page has those of this browser that belong between its own; where the service cannot be reached, those alone. */
  async list({ before, q, ...options } = {}) {
    const [newest, serverBefore] = before === undefined ? [] : JSON.parse(before);
    const { signal } = options;
    const here = await this.#here.list({ q, limit: Number.POSITIVE_INFINITY, signal });
    const page = await this.#server.list({ ...options, q, before: serverBefore }).catch((error) => {
      const isEnough = before === undefined && here.conversations.length > 0;
      if (!isOffline(error) || !isEnough) throw error;
      return { conversations: [], next: null, isCopy: true };
    });
    const last = page.conversations.at(-1);
    const end = page.next && last ? timeOf(last) : Number.NEGATIVE_INFINITY;
    const between = here.conversations.filter(
      (each) => timeOf(each) > end && timeOf(each) <= (newest ?? Number.POSITIVE_INFINITY),
    );
    const conversations = [...page.conversations, ...between];
    conversations.sort((one, other) => timeOf(other) - timeOf(one));
    return { ...page, conversations, next: page.next ? JSON.stringify([end, page.next]) : null };
  }

  async open(id, options) {
    return (await this.#of(id)).open(id, options);
  }

  async rename(id, title) {
    return (await this.#of(id)).rename(id, title);
  }

  async remove(id) {
    return (await this.#of(id)).remove(id);
  }

  async copy(conversation) {
    return (await this.#of(conversation.id)).copy(conversation);
  }

  async markdown(id) {
    return (await this.#of(id)).markdown(id);
  }

  async exportAll() {
    return new Blob([await this.#server.exportAll(), await this.#here.exportAll()]);
  }

  async removeAll() {
    await this.#server.removeAll();
    await this.#here.removeAll();
  }

  async *ask(ask, options) {
    yield* (await this.#of(ask.conversationId)).ask(ask, options);
  }

  read(answerId, options) {
    return this.#readerOf(answerId).read(answerId, options);
  }

  stop(answerId) {
    return this.#readerOf(answerId).stop(answerId);
  }

  async #of(id) {
    return (await this.#here.has(id)) ? this.#here : this.#server;
  }

  #readerOf(answerId) {
    return this.#here.knows(answerId) ? this.#here : this.#server;
  }
}

function timeOf({ updated_at }) {
  return Date.parse(updated_at);
}
