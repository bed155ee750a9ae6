import { database } from "./database.js";

/**
 * Whole conversations in this browser's database. Where the browser stores nothing, they are kept in memory until the
 * page is closed.
 */
export class Shelf {
  /** @type {Map<string, import("./server.js").Conversation>} */
  #inMemory = new Map();

  /** @returns {Promise<import("./server.js").Conversation | undefined>} */
  async get(id) {
    return this.#inMemory.get(id) ?? (await quietly((it) => it.get("conversations", id)));
  }

  /** @param {import("./server.js").Conversation} conversation @returns {Promise<boolean>} whether it outlives the page */
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
    await quietly((it) => Promise.all([it.clear("conversations"), it.clear("summaries")]));
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
