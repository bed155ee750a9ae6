import { readAnswer } from "../answer-stream.js";
import { MODEL_PATIENCE_MS } from "../api.js";
import { copies } from "./copies.js";
import { summaryOf } from "./shelf.js";

/**
 * @typedef {object} Summary A conversation in the list.
 * @property {string} id
 * @property {string} title
 * @property {string} created_at
 * @property {string} updated_at
 * @property {number} turn_count
 * @property {"complete" | "streaming" | "stopped" | "interrupted" | "failed"} state of the newest answer
 * @property {string} [snippet] in a search: the place that was found
 *
 * @typedef {object} KeptConversation
 * @property {string} id
 * @property {string} title
 * @property {string} created_at
 * @property {string} updated_at
 * @property {import("../turns.js").Turn[]} turns
 * @property {boolean} [isCopy] whether it is a copy of some time ago, since the service cannot be reached
 *
 * @typedef {object} Ask A question.
 * @property {string} conversationId
 * @property {string} answerId chosen by the page; the same one never buys a second answer
 * @property {string} message
 * @property {string | null} after the turn that it follows
 * @property {string} [model]
 * @property {number} [maxTokens]
 */

/** Conversations that the service keeps. Every method throws a `ChatError`. */
export class ServerKeeper {
  /** @type {"server"} */
  kind = "server";
  #api;

  /** @param {import("../api.js").Api} api */
  constructor(api) {
    this.#api = api;
  }

  /**
   * Lists conversations, the last changed first.
   *
   * @param {{ q?: string, before?: string, limit?: number, signal?: AbortSignal }} [options]
   * @returns {Promise<{ conversations: Summary[], next?: string | null, isCopy?: boolean }>}
   */
  async list({ q, before, limit, signal } = {}) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ q, before, limit })) {
      if (value !== undefined && value !== "") query.set(name, `${value}`);
    }
    try {
      return await this.#api.json(`/conversations?${query}`, { signal });
    } catch (error) {
      if (q || before || !isOffline(error)) throw error;
      const kept = await copies.all();
      if (kept.length === 0) throw error;
      return { conversations: kept.map(summaryOf), isCopy: true };
    }
  }

  /** @returns {Promise<KeptConversation>} */
  async open(id, { signal } = {}) {
    try {
      return await this.#api.json(pathOf(id), { signal });
    } catch (error) {
      // What was deleted on another device leaves nothing to read on this one.
      if (error.status === 404) await copies.remove(id);
      const copy = isOffline(error) ? await copies.get(id) : undefined;
      if (!copy) throw error;
      return { ...copy, isCopy: true };
    }
  }

  async rename(id, title) {
    const body = JSON.stringify({ title });
    await this.#api.request(pathOf(id), { method: "PATCH", body, keepalive: true });
    const copy = await copies.get(id);
    if (copy) await copies.keep({ ...copy, title });
  }

  /** The page may be left at this moment: the request is sent at once, and outlives it. */
  async remove(id) {
    const removing = this.#api.request(pathOf(id), { method: "DELETE", keepalive: true });
    const removed = removing.catch((error) => {
      // It is gone, or its first question was never answered.
      if (error.status !== 404) throw error;
    });
    // Both at once: a failure that comes while the copy is being deleted is somebody's, too.
    await Promise.all([removed, copies.remove(id)]);
    // It may have been read meanwhile.
    await copies.remove(id);
  }

  /** Has a conversation at hand offline as the page knows it now. @param {KeptConversation} conversation */
  async copy(conversation) {
    await copies.keep(conversation);
  }

  /** @returns {Promise<string>} */
  async markdown(id) {
    return this.#api.text(pathOf(id), { headers: { Accept: "text/markdown" } });
  }

  /** Everything as JSON lines. @returns {Promise<Blob>} */
  async exportAll() {
    return new Blob([await this.#api.text("/export")], { type: "application/jsonl" });
  }

  async removeAll() {
    await copies.clear();
    const headers = { "X-Confirm": "delete-everything" };
    await this.#api.request("/conversations", { method: "DELETE", headers });
  }

  /**
   * Asks, and reads the answer through any number of lost connections. One that is unwanted is not asked for any more.
   *
   * @param {Ask} ask
   * @param {{ signal: AbortSignal, onTrouble?: import("../patience.js").OnTrouble, isUnwanted: () => boolean }} options
   * @returns {AsyncGenerator<import("../answer-stream.js").Frame, void, void>}
   */
  ask({ conversationId, answerId, message, after, model, maxTokens }, options) {
    const chat = {
      message,
      model,
      max_tokens: maxTokens,
      include_reasoning: true,
      conversation_id: conversationId,
      after,
    };
    const request = {
      method: "POST",
      headers: { "Idempotency-Key": answerId },
      body: JSON.stringify(chat),
      asksForTokenAgain: true,
      patienceMs: MODEL_PATIENCE_MS,
    };
    const connect = async (sequence, signal) => {
      if (sequence !== undefined || options.isUnwanted()) {
        return this.#frames(answerId, sequence, signal);
      }
      try {
        return await this.#api.request("/chat", { ...request, signal });
      } catch (error) {
        // Another tab has sent the same question, and there is one answer to both.
        if (error.problem?.code !== "idempotency_conflict") throw error;
        return this.#frames(answerId, sequence, signal);
      }
    };
    return readAnswer(connect, options);
  }

  /**
   * Reads an answer that runs already or is over.
   *
   * @param {string} answerId
   * @param {{ after?: number, signal: AbortSignal, onTrouble?: import("../patience.js").OnTrouble }} options
   * @returns {AsyncGenerator<import("../answer-stream.js").Frame, void, void>}
   */
  read(answerId, options) {
    return readAnswer((sequence, signal) => this.#frames(answerId, sequence, signal), options);
  }

  /** Stops an answer. */
  async stop(answerId) {
    await this.#api.request(`/answers/${answerId}/stop`, { method: "POST" });
  }

  #frames(answerId, sequence, signal) {
    const query = sequence === undefined ? "" : `?after=${sequence}`;
    const path = `/answers/${answerId}${query}`;
    return this.#api.request(path, { signal, patienceMs: MODEL_PATIENCE_MS });
  }
}

function pathOf(id) {
  return `/conversations/${encodeURIComponent(id)}`;
}

/** Whether the service cannot be reached: the network is gone, or something else answers. */
export function isOffline(error) {
  const { code } = error.problem ?? {};
  return code === "no_connection" || (code === "invalid_answer" && !(error.status < 500));
}
