import { database } from "./database.js";

/** How many conversations can be read offline. */
const MOST = 50;

/** Copies of the service's conversations that were opened last, to read them offline. Without storage there are none. */
export const copies = {
  /** @param {import("./server.js").KeptConversation} conversation */
  async keep(conversation) {
    await quietly(async () => {
      const store = (await database()).transaction("copies", "readwrite").store;
      await store.put({ ...conversation, usedAt: Date.now() });
      const keys = await store.index("usedAt").getAllKeys();
      await Promise.all(keys.slice(0, -MOST).map((key) => store.delete(key)));
    });
  },

  /** @returns {Promise<import("./server.js").KeptConversation | undefined>} */
  get(id) {
    return quietly(async () => (await database()).get("copies", id));
  },

  /** The last used first. @returns {Promise<import("./server.js").KeptConversation[]>} */
  async all() {
    const found = await quietly(async () => (await database()).getAllFromIndex("copies", "usedAt"));
    return (found ?? []).toReversed();
  },

  async remove(id) {
    await quietly(async () => (await database()).delete("copies", id));
  },

  /** Whoever signs out leaves nothing to read. */
  async clear() {
    await quietly(async () => (await database()).clear("copies"));
  },
};

async function quietly(act) {
  try {
    return await act();
  } catch {
    return undefined;
  }
}
