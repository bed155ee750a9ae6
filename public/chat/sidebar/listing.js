import { unkeptConversations } from "../asks.js";

/**
 * What a keeper lists, page by page: all conversations, or those that a search finds.
 *
 * @typedef {import("../keep/server.js").Summary} Summary
 */
export class Listing {
  /** What is known so far, the newest first. @type {Summary[]} */
  summaries = [];
  /** Whether the keeper has told everything. */
  isComplete = false;
  /** Whether this is only what can be read offline. */
  isCopy = false;
  query;
  #keeper;
  #signal;
  /** Counts what was learned: what the keeper was asked before is older. */
  #changes = 0;
  /** @type {string | undefined} */
  #next;
  /** @type {Promise<void> | undefined} */
  #loading;

  /** @param {import("../keep/choose.js").Keeper} keeper */
  constructor(keeper, { query = "", signal = undefined } = {}) {
    this.#keeper = keeper;
    this.query = query;
    this.#signal = signal;
  }

  /** Loads the next page. Calls while one is loading get the same promise. */
  more() {
    this.#loading ??= this.#loadMore().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** Loads the first page again, for what other devices have changed. */
  async refresh() {
    const wasCopy = this.isCopy;
    const { conversations, next } = await this.#page();
    const oldest = next ? timeOf(conversations.at(-1)) : Number.NEGATIVE_INFINITY;
    const listed = new Set(conversations.map(({ id }) => id));
    const isKnown = (summary) => timeOf(summary) < oldest && !listed.has(summary.id);
    this.#set([...conversations, ...this.summaries.filter(isKnown)]);
    if (!next) this.isComplete = true;
    // The copies were all that there was, but not all that there is.
    else if (wasCopy) this.isComplete = false;
    if (wasCopy) this.#next = undefined;
    this.#next ??= next ?? undefined;
  }

  /** Takes in what is new about one conversation. @param {Partial<Summary>} summary */
  update(summary) {
    this.#changes += 1;
    const old = this.summaries.find(({ id }) => id === summary.id);
    // A search does not find more by itself.
    if (!old && (this.query !== "" || !summary.updated_at)) return;
    const others = this.summaries.filter((each) => each !== old);
    this.#set([{ ...old, ...summary }, ...others]);
  }

  /** @param {string} id */
  remove(id) {
    this.#changes += 1;
    this.summaries = this.summaries.filter((each) => each.id !== id);
  }

  async #loadMore() {
    if (this.isComplete) return;
    const { conversations, next } = await this.#page(this.#next);
    const listed = new Set(conversations.map(({ id }) => id));
    this.#set([...this.summaries.filter(({ id }) => !listed.has(id)), ...conversations]);
    this.#next = next ?? undefined;
    this.isComplete = !next;
  }

  async #page(before) {
    const q = this.query || undefined;
    const changes = this.#changes;
    const page = await this.#keeper.list({ q, before, signal: this.#signal }).catch((error) => {
      if (changes === this.#changes) throw error;
    });
    if (changes !== this.#changes) return this.#page(before);
    this.#changes += 1;
    this.isCopy = page.isCopy ?? false;
    if (q || before) return page;
    const listed = new Set(page.conversations.map(({ id }) => id));
    const others = unkeptConversations().filter(({ id }) => !listed.has(id));
    return { ...page, conversations: [...others, ...page.conversations] };
  }

  #set(summaries) {
    this.summaries = summaries.sort((a, b) => timeOf(b) - timeOf(a));
  }
}

function timeOf({ updated_at }) {
  return Date.parse(updated_at);
}
