/**
 * People who use kept conversations: each has an access token or none, sends requests, and reads what comes byte for byte
 * and step by step.
 *
 * ```js
 * const me = new Person(server, "my token");
 * const reply = await me.ask({ message: "Hello", conversation_id: "c1" }, { "idempotency-key": "k1" });
 * await reply.next(); // the first frame, as soon as it has come
 * ```
 */
import assert from "node:assert/strict";
import { checkBlocks, finalFrame, frame } from "./frames.mjs";
import { delta, done, finish, usage } from "./upstream.mjs";
import { within } from "./within.mjs";

export class Person {
  /** The correlation ids of all requests so far. @type {string[]} */
  ids = [];
  #server;
  #token;

  /** @param {import("./app.mjs").App} server @param {string} [token] */
  constructor(server, token) {
    this.#server = server;
    this.#token = token;
  }

  /** Sends a request under a correlation id of its own. @returns {Promise<Reply>} */
  async send(path, { headers = {}, body, id = crypto.randomUUID(), ...init } = {}) {
    this.ids.push(id);
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const response = await this.#server.fetch(path, {
      ...init,
      body: text,
      headers: {
        "x-correlation-id": id,
        ...(text !== undefined && { "content-type": "application/json" }),
        ...(this.#token && { authorization: `Bearer ${this.#token}` }),
        ...headers,
      },
    });
    const reply = new Reply(response, id);
    assert.equal(reply.headers.get("x-correlation-id"), id, "each response has its own id");
    return reply;
  }

  /** Posts a chat. */
  ask(body, headers, init) {
    return this.send("/chat", { method: "POST", body, headers, ...init });
  }

  /** Reads an answer from its start, or strictly after a sequence. */
  answer(answerId, after, init) {
    const query = after === undefined ? "" : `?after=${after}`;
    return this.send(`/answers/${answerId}${query}`, init);
  }

  stop(answerId) {
    return this.send(`/answers/${answerId}/stop`, { method: "POST" });
  }

  /** A conversation as it is kept. */
  async conversation(id) {
    return JSON.parse(await (await this.send(`/conversations/${id}`)).text());
  }

  /**
   * Asks, has upstream say `contents` and end, and reads the answer.
   *
   * @param {import("./upstream.mjs").Upstream} upstream
   */
  async exchange(upstream, body, headers, contents = ["Hi"]) {
    const asked = this.ask(body, headers);
    const call = await upstream.nextCall();
    call.end(...contents.map(delta), finish("stop"), usage(1, 2), done);
    const reply = await asked;
    return { call, reply, answerId: reply.answerId, text: await reply.text() };
  }

  /** Asserts that every request of this person has exactly one last line in the log, but for those of `lost`. */
  async assertLogged(lost = []) {
    const ids = this.ids.filter((id) => !lost.includes(id));
    await Promise.all(ids.map((id) => this.#server.log("response_complete", id)));
    for (const id of ids) {
      const events = this.#server.logsOf(id).map(({ record }) => record.event);
      const count = (name) => events.filter((event) => event === name).length;
      assert.deepEqual(
        [count("request_received"), count("response_complete")],
        [1, 1],
        events.join(),
      );
    }
  }
}

/** A response that is read step by step. */
class Reply {
  #reader;
  #decoder = new TextDecoder("utf-8", { fatal: true });
  #text = "";
  #hasEnded = false;
  #hasLeft = false;

  constructor(response, id) {
    /** The correlation id of the request. @type {string} */
    this.id = id;
    /** @type {number} */
    this.status = response.status;
    /** @type {Headers} */
    this.headers = response.headers;
    this.#reader = response.body?.getReader();
    this.#hasEnded = this.#reader === undefined;
  }

  get answerId() {
    return this.headers.get("x-answer-id");
  }

  /** The next block, its blank line included; nothing at the end. @returns {Promise<string | undefined>} */
  async next() {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end >= 0) {
        const block = this.#text.slice(0, end + 2);
        this.#text = this.#text.slice(end + 2);
        checkBlocks(block);
        return block;
      }
      if (this.#hasEnded) {
        if (!this.#hasLeft) assert.equal(this.#text, "", "a stream does not end inside a block");
        return undefined;
      }
      await this.#read();
    }
  }

  /** Everything that was not read yet, to the end. */
  async text() {
    while (!this.#hasEnded) await this.#read();
    const text = this.#text;
    this.#text = "";
    if (this.answerId !== null) checkBlocks(text);
    return text;
  }

  /** The error, by its code; its body must be that of this request. */
  async error() {
    const error = JSON.parse(await this.text());
    assert.equal(error.correlation_id, this.id);
    return error;
  }

  /** Closes the connection. */
  leave() {
    this.#hasEnded = true;
    this.#hasLeft = true;
    return this.#reader?.cancel();
  }

  async #read() {
    const { done, value } = await within(this.#reader.read(), "the next bytes of the answer");
    this.#hasEnded = done;
    this.#text += done ? this.#decoder.decode() : this.#decoder.decode(value, { stream: true });
  }
}

/** The frame of a kept answer that adds text, byte for byte. `asker`: the correlation id of the request that asked. */
export function keptFrame(answerId, asker, sequence, content) {
  return `id: ${answerId}.${sequence}\n${frame(asker, sequence, content)}`;
}

/** The frames of a kept answer from `first` on, byte for byte. `ending` includes `turn_id` and `history_turns`. */
export function keptFrames(answerId, asker, contents, ending, first = 0) {
  const all = contents.map((content, sequence) => keptFrame(answerId, asker, sequence, content));
  const last = `id: ${answerId}.${all.length}\n${finalFrame(asker, all.length, ending)}`;
  return [...all, last].slice(first).join("");
}

/** The ending of a stream: what its last frame says beside its place. */
export function endingOf(text) {
  const [, json] = text.match(/\ndata: ([^\n]+)\n\n$/) ?? [];
  const { content, sequence, is_final, correlation_id, ...ending } = JSON.parse(json);
  return ending;
}
