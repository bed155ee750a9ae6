import { database } from "./database.js";

/**
 * @typedef {{ content: string, reasoning?: string }} Partial How far an answer has come.
 *
 * @typedef {import("./server.js").Conversation} Conversation
 */

/**
 * Whole conversations in this browser's database. Where the browser stores nothing, they are kept in memory until the
 * page is closed.
 */
export class Shelf {
  /** @type {Map<string, import("./server.js").KeptConversation>} */
  #inMemory = new Map();
  /** The same database without waiting for it. @type {import("idb").IDBPDatabase | undefined} */
  #database;
  #onUnsaved;

  /** @param {() => void} onUnsaved something will not outlive the page */
  constructor(onUnsaved) {
    this.#onUnsaved = onUnsaved;
  }

  /** @returns {Promise<import("./server.js").KeptConversation | undefined>} */
  async get(id) {
    this.#database ??= await quietly((it) => it);
    return this.#inMemory.get(id) ?? (await quietly((it) => it.get("conversations", id)));
  }

  /** @param {import("./server.js").KeptConversation} conversation @returns {Promise<boolean>} whether it outlives the page */
  async put(conversation) {
    const saved = await quietly(async (it) => {
      const transaction = it.transaction(["conversations", "summaries"], "readwrite");
      await Promise.all([
        transaction.objectStore("conversations").put(conversation),
        transaction.objectStore("summaries").put(summaryOf(conversation)),
        transaction.done,
      ]);
      return true;
    });
    if (saved) this.#inMemory.delete(conversation.id);
    else {
      this.#inMemory.set(conversation.id, structuredClone(conversation));
      this.#onUnsaved();
    }
    return saved === true;
  }

  /**
   * Changes a conversation as it is at this moment: another tab may have written to it since it was read.
   *
   * @param {(conversation?: Conversation) => Conversation | undefined} change gives what is to be kept; nothing: all stays
   */
  async update(id, change) {
    let changed = change(this.#inMemory.get(id));
    const isSaved = await quietly(async (it) => {
      if (this.#inMemory.has(id)) return false;
      const transaction = it.transaction(["conversations", "summaries"], "readwrite");
      const conversations = transaction.objectStore("conversations");
      changed = change(await conversations.get(id));
      if (!changed) return true;
      await Promise.all([
        conversations.put(changed),
        transaction.objectStore("summaries").put(summaryOf(changed)),
        transaction.done,
      ]);
      return true;
    });
    if (!isSaved && changed) await this.put(changed);
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
      transaction.store.put({ content, reasoning }, answerId).catch(() => {});
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
    const others = stored.filter(({ id }) => !this.#inMemory.has(id));
    const all = [...others, ...Array.from(this.#inMemory.values(), summaryOf)];
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
