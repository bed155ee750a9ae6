import { database } from "./database.js";

/** @typedef {{ content: string, reasoning?: string }} Partial How far an answer has come. */

/**
 * Whole conversations in this browser's database. Where the browser stores nothing, they are kept in memory until the
 * page is closed.
 */
export class Shelf {
  /** @type {Map<string, import("./server.js").KeptConversation>} */
  #inMemory = new Map();
  /** The same database without waiting for it. @type {import("idb").IDBPDatabase | undefined} */
  #database;

  /** @returns {Promise<import("./server.js").KeptConversation | undefined>} */
  async get(id) {
    this.#database ??= await quietly((it) => it);
    return this.#inMemory.get(id) ?? (await quietly((it) => it.get("conversations", id)));
  }

  /** @param {import("./server.js").KeptConversation} conversation @returns {Promise<boolean>} whether it outlives the page */
  async put(conversation) {
    const saved = await quietly(async (it) => {
      const transaction = it.transaction(["conversations", "summaries"], "readwrite");
      transaction.objectStore("conversations").put(conversation);
      transaction.objectStore("summaries").put(summaryOf(conversation));
      await transaction.done;
      return true;
    });
    if (saved) this.#inMemory.delete(conversation.id);
    else this.#inMemory.set(conversation.id, structuredClone(conversation));
    return saved === true;
  }

  async remove(id) {
    this.#inMemory.delete(id);
    await quietly(async (it) => {
      const transaction = it.transaction(["conversations", "summaries"], "readwrite");
      transaction.objectStore("conversations").delete(id);
      transaction.objectStore("summaries").delete(id);
      await transaction.done;
    });
  }

  async clear() {
    this.#inMemory.clear();
    const stores = ["conversations", "summaries", "partials"];
    await quietly((it) => Promise.all(stores.map((store) => it.clear(store))));
  }

  /**
   * Writes how far an answer has come. It waits for nothing, because the page may be about to be left.
   *
   * @param {string} answerId
   * @param {Partial} partial
   */
  putPartial(answerId, { content, reasoning }) {
    try {
      const transaction = this.#database.transaction("partials", "readwrite");
      transaction.store.put({ content, reasoning }, answerId);
      transaction.commit();
    } catch {
      // There is no database.
    }
  }

  /** @returns {Promise<Partial | undefined>} */
  async partial(answerId) {
    const partial = await quietly((it) => it.get("partials", answerId));
    // Earlier versions of the page wrote the text alone.
    return typeof partial === "string" ? { content: partial } : partial;
  }

  async removePartial(answerId) {
    await quietly((it) => it.delete("partials", answerId));
  }

  /** The last changed first. @returns {Promise<import("./server.js").Summary[]>} */
  async summaries() {
    const stored = (await quietly((it) => it.getAllFromIndex("summaries", "time"))) ?? [];
    const all = [...stored, ...Array.from(this.#inMemory.values(), summaryOf)];
    return all.toSorted((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
  }
}

/** @returns {import("./server.js").Summary} */
export function summaryOf({ id, title, created_at, updated_at, turns }) {
  const state = turns.at(-1)?.state ?? "complete";
  return { id, title, created_at, updated_at, turn_count: turns.length, state };
}

async function quietly(act) {
  try {
    return await act(await database());
  } catch {
    return undefined;
  }
}
