/**
 * A fake upstream: a real HTTP server on loopback that says exactly what a test has it say, byte for byte and step by
 * step, and that knows how every connection ended.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { after } from "node:test";
import { keepSecret } from "./leaks.mjs";
import { within } from "./within.mjs";

/** An event of the Chat Completions stream. */
export const event = (value) => `data: ${JSON.stringify(value)}\n\n`;

/** The event that adds `content`. */
export const delta = (content) => choice({ delta: { content }, finish_reason: null });

/** The event by which the model refuses. */
export const refusal = (text) => choice({ delta: { refusal: text }, finish_reason: null });

/** The event with which the model stops, and what it adds. */
export const finish = (reason, content) => choice({ delta: { content }, finish_reason: reason });

/** The event that counts tokens. */
export const usage = (input, output) =>
  event({
    ...HEAD,
    choices: [],
    usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
  });

/** An event of the Responses stream, with its type in both places where upstream puts it. */
export const responseEvent = (type, fields = {}) =>
  `event: ${type}\n${event({ type, sequence_number: 0, ...fields })}`;

/** The end of a Chat Completions stream. */
export const done = "data: [DONE]\n\n";

/** A whole good answer. */
export const answer = (...contents) => [...contents.map(delta), finish("stop"), done];

/** Gives a good answer. @param {Call} call */
export const answerWell = (call) => call.end(...answer("Hi"));

const HEAD = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "gpt-4" };

function choice(fields) {
  keepSecret(fields.delta.content, fields.delta.refusal);
  return event({ ...HEAD, choices: [{ index: 0, ...fields }] });
}

/** One call of the worker's, which the test answers. */
export class Call {
  #request;
  #response;

  constructor(request, response, bytes) {
    this.#request = request;
    this.#response = response;
    this.method = request.method;
    this.path = request.url;
    this.headers = request.headers;
    this.body = bytes === "" ? undefined : JSON.parse(bytes);
    /** Differs between the connections that calls come on. */
    this.connection = request.socket.remotePort;
    /** How the exchange ended: `finished`, or `aborted` when the connection was closed before. */
    this.closed = new Promise((resolve) => {
      response.once("close", () => resolve(response.writableFinished ? "finished" : "aborted"));
    });
    // Many tests go on writing after the worker has left.
    response.on("error", () => {});
  }

  /** Sends the status and the headers. */
  open(status = 200, headers = {}) {
    const streaming = { "content-type": "text/event-stream", "x-request-id": "req_upstream" };
    this.#response.writeHead(status, { ...streaming, ...headers });
    this.#response.flushHeaders();
    return this;
  }

  /** Sends text or bytes, the headers first if they were not sent; false once the worker is behind in reading. */
  write(...parts) {
    if (!this.#response.headersSent) {
      this.open();
    }
    return parts.map((part) => this.#response.write(part)).at(-1) ?? true;
  }

  /**
   * Writes a chunk `times` times, as fast as the worker takes it, or until the exchange is over.
   *
   * @param {(written: number) => void} onWritten Is told how many are written, before each wait for the worker.
   */
  async flood(chunk, times = Number.POSITIVE_INFINITY, onWritten = () => {}) {
    const over = new AbortController();
    this.closed.then(() => over.abort());
    for (let written = 1; written <= times && !over.signal.aborted; written++) {
      if (!this.write(chunk)) {
        onWritten(written);
        await once(this.#response, "drain", { signal: over.signal }).catch(() => {});
      }
    }
  }

  /** Sends the rest and ends the answer in good form. */
  end(...parts) {
    this.write(...parts);
    this.#response.end();
  }

  /**
   * Answers with a whole body: text or bytes as they are, a value as JSON. It is called JSON unless the headers say
   * otherwise.
   */
  respond(status, body, headers = {}) {
    const raw = typeof body === "string" || ArrayBuffer.isView(body);
    this.open(status, { "content-type": "application/json", ...headers });
    this.#response.end(raw ? body : JSON.stringify(body));
  }

  /** Closes the connection in the middle of the answer, with everything written sent. */
  cut() {
    this.#request.socket.destroySoon();
  }

  /** Resets the connection. */
  reset() {
    this.#request.socket.resetAndDestroy();
  }
}

/** A request that asks for nothing, by which scripts learn whether a path exists. */
const NOTHING = "[]";

class Upstream {
  /** Every request for an answer so far. @type {Call[]} */
  calls = [];
  /** Whether what scripts ask about the server itself is no call, and gets a 404. */
  turnsQuestionsAway = false;
  #server = createServer((request, response) => this.#accept(request, response));
  #otherwise;
  #scripts = [];
  #unanswered = [];
  #waiting = [];

  constructor(otherwise) {
    this.#otherwise = otherwise;
  }

  async start() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${this.#server.address().port}/v1`;
    return this;
  }

  /** Has these functions answer the next calls, one each. @param {...(call: Call) => void} scripts */
  script(...scripts) {
    this.#scripts.push(...scripts);
  }

  /** The next call that no script answers. @returns {Promise<Call>} */
  nextCall() {
    const call = this.#unanswered.shift();
    if (call !== undefined) {
      return Promise.resolve(call);
    }
    const { promise, resolve } = Promise.withResolvers();
    this.#waiting.push(resolve);
    return within(promise, "a call of the upstream API");
  }

  /** Forgets what an earlier test left behind. */
  reset() {
    this.calls = [];
    this.#scripts = [];
    this.#unanswered = [];
    this.#waiting = [];
  }

  /** Connections that are open. @returns {Promise<number>} */
  connections() {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #accept(request, response) {
    const chunks = await Array.fromAsync(request).catch(() => null);
    if (chunks === null) {
      return; // The worker left while it was sending, so nobody waits for an answer.
    }
    const body = Buffer.concat(chunks).toString();
    if (this.turnsQuestionsAway && (request.method === "GET" || body === NOTHING)) {
      response.writeHead(404).end();
      return;
    }
    const call = new Call(request, response, body);
    this.calls.push(call);
    const taker = this.#scripts.shift() ?? this.#waiting.shift() ?? this.#otherwise;
    if (taker === undefined) {
      this.#unanswered.push(call);
    } else {
      taker(call);
    }
  }
}

/**
 * Starts a fake upstream, which ends with the test or the file that started it.
 *
 * @param {(call: Call) => void} [otherwise] Answers calls that no script answers; without it they wait for the test.
 * @param {{ turnsQuestionsAway?: boolean }} [options]
 */
export async function startUpstream(otherwise, { turnsQuestionsAway = false } = {}) {
  const upstream = await launchUpstream(otherwise);
  upstream.turnsQuestionsAway = turnsQuestionsAway;
  after(() => upstream.stop());
  return upstream;
}

/** The same outside of a test: the caller stops it. */
export function launchUpstream(otherwise) {
  return new Upstream(otherwise).start();
}

/** A base URL where nobody listens. */
export async function unreachableUrl() {
  const upstream = await new Upstream().start();
  upstream.stop();
  return upstream.url;
}
