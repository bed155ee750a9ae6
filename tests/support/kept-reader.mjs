/** Readers of kept answers, who keep what they got even when the process dies under them, and what they have to get. */
import { Buffer } from "node:buffer";
import { noteBody } from "./leaks.mjs";
import { within } from "./within.mjs";

/** What the final frame of an answer says whose process has died. */
export const INTERRUPTED = {
  error: "The answer was interrupted",
  detail:
    "This service stopped while the answer was being written. The text so far is kept. Ask again for a new answer.",
  code: "interrupted",
};

/** What the final frame of an answer says that could not be stored, and the body of a request that failed so. */
export const STORE_UNAVAILABLE = {
  error: "Stored data cannot be reached",
  detail:
    "This service could not read or write its conversations or its usage counts. Try again in a moment. If you run this service, check its log.",
  code: "store_unavailable",
};

/** A frame of a kept answer that adds text, byte for byte. `json` is the text as upstream wrote it. */
export function keptFrame({ id, asker }, sequence, json) {
  return `id: ${id}.${sequence}\ndata: {"content":${json},"sequence":${sequence},"is_final":false,"correlation_id":"${asker}"}\n\n`;
}

/**
 * The frames of a kept answer, byte for byte.
 *
 * @param {{ id: string, asker: string }} answer its id, and the correlation id of the request that asked for it
 * @param {(string | { reasoning: string })[]} contents what upstream has said
 * @param {object} [ending] what the final frame says of the ending; without it there is no final frame
 * @param {number} [from] the first sequence
 */
export function keptFrames(answer, contents, ending, from = 0) {
  const text = (content, sequence) => {
    if (typeof content === "string") return keptFrame(answer, sequence, JSON.stringify(content));
    return keptFrame(answer, sequence, `"","reasoning":${JSON.stringify(content.reasoning)}`);
  };
  const all = contents.map(text);
  if (ending !== undefined) {
    const frame = { content: "", sequence: contents.length, is_final: true };
    const data = JSON.stringify({ ...frame, correlation_id: answer.asker, ...ending });
    all.push(`id: ${answer.id}.${contents.length}\ndata: ${data}\n\n`);
  }
  return all.slice(from).join("");
}

/** The frames in a text, parsed. A last one that has not arrived whole is left out. */
export function parseFrames(text) {
  const blocks = text.split("\n\n").slice(0, -1);
  const lines = blocks.flatMap((block) => block.split("\n"));
  const data = lines.filter((line) => line.startsWith("data: "));
  return data.map((line) => JSON.parse(line.slice("data: ".length)));
}

/** One who reads an answer. */
export class KeptReader {
  /** The response's status; 0 when there was no response. */
  status = 0;
  headers = new Headers();
  /** How many frames have arrived whole. */
  frameCount = 0;
  #chunks = [];
  #tail = "";
  #wakers = new Set();
  #isOver = false;
  #abort = new AbortController();

  /** @param {string} url @param {RequestInit} init */
  constructor(url, init) {
    /** Resolves when nothing more will come, whatever the reason. */
    this.ended = this.#read(url, init);
  }

  /** The bytes so far. */
  get bytes() {
    return Buffer.concat(this.#chunks);
  }

  get text() {
    return this.bytes.toString();
  }

  /** Resolves when so many frames have arrived, or nothing more will come. */
  async hasRead(frames, patienceMs) {
    while (this.frameCount < frames && !this.#isOver) {
      const { promise, resolve } = Promise.withResolvers();
      this.#wakers.add(resolve);
      await within(promise, () => `frame ${frames}; there are ${this.frameCount}`, patienceMs);
    }
    return this;
  }

  /** All of it, when it is over. */
  async whole() {
    await within(this.ended, () => `the end of an answer, of which there is so far: ${this.text}`);
    return this.text;
  }

  /** Closes the connection. */
  leave() {
    this.#abort.abort();
    return this.ended;
  }

  async #read(url, init) {
    try {
      const response = await fetch(url, { ...init, signal: this.#abort.signal });
      this.status = response.status;
      this.headers = response.headers;
      for await (const chunk of response.body ?? []) this.#take(chunk);
    } catch (error) {
      /** Why it did not come to an end. */
      this.error = error;
    }
    this.#isOver = true;
    this.#wake();
  }

  #take(chunk) {
    const bytes = Buffer.from(chunk);
    this.#chunks.push(bytes);
    // Frames end in a blank line, and have none within them.
    const text = this.#tail + bytes.toString("latin1");
    const blocks = text.split("\n\n");
    this.#tail = blocks.pop();
    this.frameCount += blocks.filter((block) => !block.startsWith(":")).length;
    this.#wake();
  }

  #wake() {
    for (const wake of this.#wakers) wake();
    this.#wakers.clear();
  }
}

/** Who asks: an access token, or nobody in particular. */
export class KeptClient {
  #server;
  #headers;

  /** @param {{ url: string }} server @param {string} [token] */
  constructor(server, token) {
    this.#server = server;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /**
   * Asks, and reads the answer. `key` is the answer's id.
   *
   * @param {{ conversation: string, message: string, key?: string, asker?: string, after?: string | null }} question
   */
  ask({ conversation, message, key, asker = crypto.randomUUID(), ...fields }, headers = {}) {
    const body = JSON.stringify({ message, conversation_id: conversation, ...fields });
    noteBody(body);
    return this.#reader("/chat", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-correlation-id": asker,
        ...(key !== undefined && { "idempotency-key": key }),
        ...headers,
      },
      body,
    });
  }

  /** Reads an answer, strictly after a sequence if one is given. */
  read(id, after) {
    return this.#reader(`/answers/${id}${after === undefined ? "" : `?after=${after}`}`, {});
  }

  /** Sends another request, and gives its answer whole. */
  async send(method, path, { headers = {}, body } = {}) {
    const init = { method, headers: { ...this.#headers, ...headers }, body };
    const answered = fetch(this.#server.url + path, init);
    const response = await within(answered, `an answer from ${path}`);
    const text = await within(response.text(), `the end of the answer from ${path}`);
    const isJson = response.headers.get("content-type") === "application/json";
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? JSON.parse(text) : undefined,
    };
  }

  /** A conversation as `GET` tells it. */
  async conversation(id) {
    return (await this.send("GET", `/conversations/${id}`)).json;
  }

  #reader(path, { headers = {}, ...init }) {
    const all = { "accept-encoding": "identity", ...this.#headers, ...headers };
    return new KeptReader(this.#server.url + path, { ...init, headers: all });
  }
}
