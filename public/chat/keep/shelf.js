import { ChatError, newId } from "../api.js";
import { database } from "./database.js";

const NEWER = {
  error: "Another tab has a newer version of this page",
  detail: "Reload this one to go on.",
  code: "newer_page",
};

/**
 * @typedef {{ content: string, reasoning?: string }} Partial How far an answer has come.
 *
 * @typedef {import("./server.js").KeptConversation} KeptConversation
 */

/**
 * Whole conversations in this browser's database. Where the browser stores nothing, they are kept in memory until the
 * page is closed.
 */
export class Shelf {
  /** @type {Map<string, KeptConversation>} */
  #inMemory = new Map();
  /** The same database without waiting for it. @type {import("idb").IDBPDatabase | undefined} */
  #database;
  #onTrouble;

  /**
   * @param {(trouble: unknown) => void} onTrouble is told why something will not outlive the page; `undefined`: by now,
   *   everything will
   */
  constructor(onTrouble) {
    this.#onTrouble = onTrouble;
  }

  /** @returns {Promise<KeptConversation | undefined>} */
  async get(id) {
    const inMemory = this.#inMemory.get(id);
    if (inMemory) return inMemory;
    this.#database = await quietly((it) => it);
    return quietly((it) => it.get("conversations", id));
  }

  /** @param {KeptConversation} conversation @returns {Promise<boolean>} whether it outlives the page */
  async put(conversation) {
    const { id } = conversation;
    try {
      await write(() => conversation);
    } catch (error) {
      this.#inMemory.set(id, structuredClone(conversation));
      this.#onTrouble(error);
      return false;
    }
    this.#inMemory.delete(id);
    await this.#tryAgain();
    return true;
  }

  /**
   * Changes a conversation as it is at this moment: another tab may have written to it since it was read.
   *
   * @param {(conversation?: KeptConversation) => KeptConversation | undefined} change gives what is to be kept; nothing: all stays
   */
  async update(id, change) {
    let changed = change(this.#inMemory.get(id));
    if (!this.#inMemory.has(id)) {
      try {
        await write(async (conversations) => {
          changed = change(await conversations.get(id));
          return changed;
        });
        return await this.#tryAgain();
      } catch (error) {
        if (!changed) this.#onTrouble(error);
      }
    }
    if (changed) await this.put(changed);
  }

  /** What there was no room for may have some by now. */
  async #tryAgain() {
    try {
      for (const [id, conversation] of this.#inMemory) {
        await write(() => conversation);
        if (this.#inMemory.get(id) === conversation) this.#inMemory.delete(id);
      }
      this.#onTrouble(undefined);
    } catch (error) {
      this.#onTrouble(error);
    }
  }

  /**
   * @param {string} id
   * @param {(conversation?: KeptConversation) => boolean} [isMeant] told how it is at that moment; none: it goes anyway
   */
  async remove(id, isMeant) {
    if (!isMeant || isMeant(this.#inMemory.get(id))) this.#inMemory.delete(id);
    await quietly(async (it) => {
      const transaction = it.transaction(["conversations", "summaries"], "readwrite");
      const conversations = transaction.objectStore("conversations");
      if (!isMeant || isMeant(await conversations.get(id))) {
        const summaries = transaction.objectStore("summaries");
        await Promise.all([conversations.delete(id), summaries.delete(id)]);
      }
      await transaction.done;
    });
    await this.#tryAgain();
  }

  async clear() {
    this.#inMemory.clear();
    const stores = ["conversations", "summaries", "partials"];
    await quietly((it) => Promise.all(stores.map((store) => it.clear(store))));
    this.#onTrouble(undefined);
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
      const put = transaction.store.put({ content, reasoning }, answerId);
      transaction.commit();
      // The end of the answer is written once more, and tells if there is no room.
      Promise.all([put, transaction.done]).catch(() => {});
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

/**
 * Writes a conversation, and how the list shows it.
 *
 * @param {(conversations: import("idb").IDBPObjectStore) => KeptConversation | undefined | Promise<KeptConversation | undefined>} make
 *   gives it; nothing: all stays
 */
async function write(make) {
  const transaction = (await database()).transaction(["conversations", "summaries"], "readwrite");
  const { done } = transaction;
  // Where a request fails, this fails with it, and nobody waits for it then.
  done.catch(() => {});
  const conversations = transaction.objectStore("conversations");
  const conversation = await make(conversations);
  if (conversation) {
    const summaries = transaction.objectStore("summaries");
    await Promise.all([conversations.put(conversation), summaries.put(summaryOf(conversation))]);
  }
  await done;
}

/**
 * @returns nothing where the browser stores nothing
 * @throws {ChatError} if there is something that this page cannot read
 */
async function quietly(act) {
  try {
    return await act(await database());
  } catch (error) {
    if (error?.name === "VersionError") throw new ChatError(NEWER, newId());
    return undefined;
  }
}
