/**
 * The two ends that the contestants stand between, in this process and on one clock: an upstream that says what the
 * message asks it to say, and clients that read and check every byte.
 */
import { once } from "node:events";
import { Agent, createServer, request } from "node:http";

/** Whose conversations the answers belong to: each of them has few answers at a time, as people have. */
const OWNERS = 25;

const TOKENS = Array.from({ length: OWNERS }, (_, owner) => `bench-token-0123456789-${owner}`);

/** The access tokens of all owners, with their names. */
export const ACCESS_TOKENS = TOKENS.map((token, owner) => `owner-${owner}:${token}`).join(",");

/** What an upstream's event carries besides the text, as OpenAI sends it. */
const HEAD =
  '{"id":"chatcmpl-CkV0kqkG2Y3v6h1mD5b8sQy7TnXw4","object":"chat.completion.chunk","created":1790000000,' +
  '"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_cbf1785567",';

/** A token's text: words as they come, some with what JSON escapes, some beyond ASCII. */
const WORDS = [
  " the",
  " answer",
  " is",
  ",",
  ' "quoted"',
  "\n\n",
  " naïve",
  " 漢字",
  " 🚀",
  " stream",
];

/** What hides a token's length, as OpenAI sends it: no two events in a row carry the same. */
const PADDINGS = ["Xb3kZ9", "q", "T1mR7uGw2", "0aJ", "vN5cQ8sLk", "eH4", "yP"];

/** How long a connection may be idle, in milliseconds; the runtime closes it after five seconds. */
const IDLE_MS = 3_000;

/** How often the paced upstream looks at what is due, in milliseconds. */
const TICK_MS = 1;

/** @param {number} index */
export const word = (index) => WORDS[index % WORDS.length];

const event = (rest) => `data: ${HEAD}${rest}}\n\n`;

const tokenEvents = PADDINGS.flatMap((_, turn) =>
  WORDS.map((text, index) =>
    event(
      `"choices":[{"index":0,"delta":{"content":${JSON.stringify(text)}},"logprobs":null,"finish_reason":null}],` +
        `"usage":null,"obfuscation":"${PADDINGS[(turn + index) % PADDINGS.length]}"`,
    ),
  ),
);
const tokenEvent = (index) => tokenEvents[index % tokenEvents.length];

const ending = (tokens) =>
  event(
    '"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null,"obfuscation":"qT1"',
  ) +
  event(
    `"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":${tokens},"total_tokens":${tokens + 9}}`,
  ) +
  "data: [DONE]\n\n";

/** What upstream says to a request for so many tokens. */
export function upstreamBytes(tokens) {
  const events = Array.from({ length: tokens }, (_, index) => tokenEvent(index));
  return events.join("") + ending(tokens);
}

/** What a client of the API reads for so many tokens. */
export function clientBytes(tokens, id) {
  return framesOf(tokens, id, () => "", "");
}

/** The same when the answer is kept. Nobody knows the id of its turn before it is there. */
function keptBytes(tokens, id, text) {
  const [kept] = text.match(/,"turn_id":"[\w-]+","history_turns":0(?=\}\n\n$)/) ?? [""];
  return framesOf(tokens, id, (sequence) => `id: ${id}.${sequence}\n`, kept);
}

function framesOf(tokens, id, before, last) {
  const frames = Array.from(
    { length: tokens },
    (_, index) =>
      `${before(index)}data: {"content":${JSON.stringify(word(index))},"sequence":${index},"is_final":false,"correlation_id":"${id}"}\n\n`,
  );
  const usage = `{"input_tokens":9,"output_tokens":${tokens},"total_tokens":${tokens + 9}}`;
  return `${frames.join("")}${before(tokens)}data: {"content":"","sequence":${tokens},"is_final":true,"correlation_id":"${id}","finish_reason":"stop","usage":${usage}${last}}\n\n`;
}

/**
 * What a contestant is asked, and what it has to answer.
 *
 * @typedef {object} Protocol
 * @property {(message: string, id: string) => { body: object, headers: Record<string, string> }} ask
 * @property {(tokens: number, id: string, text: string) => string} expect `text` is what came
 */

/** Upstream's bytes, unchanged. @type {Protocol} */
export const PASSED = {
  ask: (message) => ({ body: { message }, headers: {} }),
  expect: upstreamBytes,
};

/** The frames of an answer that is not kept. @type {Protocol} */
export const STATELESS = { ...PASSED, expect: clientBytes };

const askInConversation = (message, id) => ({
  body: { message, conversation_id: id },
  headers: { "idempotency-key": id },
});

/** The frames of an answer that is kept, in a conversation of its own. @type {Protocol} */
export const KEPT = { ask: askInConversation, expect: keptBytes };

/** A kept answer's question, and upstream's bytes. @type {Protocol} */
export const PASSED_BY_OBJECT = { ask: askInConversation, expect: upstreamBytes };

/**
 * An upstream on loopback. The message says `TOKENS every MILLISECONDS`, or `TOKENS` for all of them at once.
 */
export class Upstream {
  #server = createServer((incoming, response) => this.#answer(incoming, response));
  #due = new Map();
  #ticking;

  async start() {
    this.#server.keepAliveTimeout = 600_000;
    this.#server.listen(0, "127.0.0.1", 4096);
    await once(this.#server, "listening");
    return `http://127.0.0.1:${this.#server.address().port}/v1`;
  }

  stop() {
    clearInterval(this.#ticking);
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(incoming, response) {
    const body = await incoming.toArray();
    const asked = Buffer.concat(body)
      .toString()
      .match(/ask (\d+)(?: every (\d+))?/);
    const [tokens, everyMs] = [Number(asked[1]), Number(asked[2] ?? 0)];
    response.socket.setNoDelay(true);
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "x-request-id": "req_6f0a6c2f6e0b4d1c",
    });
    if (everyMs === 0) {
      response.end(upstreamBytes(tokens));
      return;
    }
    response.flushHeaders();
    // Streams that begin together would otherwise speak together for ever.
    const firstMs = performance.now() + Math.random() * everyMs;
    this.#due.set(response, { tokens, everyMs, sent: 0, dueMs: firstMs });
    response.on("close", () => this.#due.delete(response));
    this.#ticking ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #tick() {
    const now = performance.now();
    for (const [response, stream] of this.#due) {
      if (stream.dueMs > now) continue;
      if (stream.sent === stream.tokens) {
        this.#due.delete(response);
        response.end(ending(stream.tokens));
        continue;
      }
      response.write(tokenEvent(stream.sent));
      stream.sent += 1;
      stream.dueMs += stream.everyMs;
    }
  }
}

/** What became of one request. @typedef {{ ok: boolean, why?: string, firstMs: number }} Reading */

/** The clients of one contestant, on connections that are kept. */
export class Clients {
  /** An idle connection goes before the server closes it, or a request could meet the closing. */
  #agent = new Agent({ keepAlive: true, maxSockets: Infinity, timeout: IDLE_MS });
  #count = 0;

  /** @param {Protocol} protocol */
  constructor(port, protocol) {
    this.port = port;
    this.protocol = protocol;
  }

  /**
   * Asks once and reads to the end.
   *
   * @param {number} tokens
   * @param {number} [everyMs]
   * @param {(() => void)} [onOpen] called when the answer's first bytes are there
   * @returns {Promise<Reading>}
   */
  ask(tokens, everyMs = 0, onOpen) {
    this.#count += 1;
    const id = `bench-${String(this.#count).padStart(8, "0")}`;
    const message = `ask ${tokens}${everyMs > 0 ? ` every ${everyMs}` : ""}`;
    const asked = this.protocol.ask(message, id);
    const body = JSON.stringify(asked.body);
    const started = performance.now();
    const { promise, resolve } = Promise.withResolvers();
    const sent = request({
      port: this.port,
      host: "127.0.0.1",
      path: "/chat",
      method: "POST",
      agent: this.#agent,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        "x-correlation-id": id,
        authorization: `Bearer ${TOKENS[this.#count % OWNERS]}`,
        ...asked.headers,
      },
    });
    sent.on("error", (error) => resolve({ ok: false, why: error.message, firstMs: Number.NaN }));
    sent.on("response", (response) => {
      const chunks = [];
      let firstMs = Number.NaN;
      response.on("data", (chunk) => {
        if (chunks.length === 0) {
          firstMs = performance.now() - started;
          onOpen?.();
        }
        chunks.push(chunk);
      });
      response.on("error", (error) => resolve({ ok: false, why: error.message, firstMs }));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const expected = this.protocol.expect(tokens, id, text);
        const ok = response.statusCode === 200 && text === expected;
        const why = ok ? undefined : difference(response.statusCode, text, expected);
        resolve({ ok, why, firstMs });
      });
    });
    sent.end(body);
    return promise;
  }

  /** @throws {Error} when one of many answers was not what it had to be */
  async askMany(count, tokens, everyMs) {
    const readings = await Promise.all(
      Array.from({ length: count }, () => this.ask(tokens, everyMs)),
    );
    const wrong = readings.find(({ ok }) => !ok);
    if (wrong) throw new Error(`a wrong answer: ${wrong.why}`);
    return readings;
  }

  stop() {
    this.#agent.destroy();
  }
}

function difference(status, text, expected) {
  const at = [...expected].findIndex((character, index) => character !== [...text][index]);
  return `status ${status}, ${text.length} of ${expected.length} characters, differs from ${at}: ${JSON.stringify(text.slice(Math.max(0, at - 40), at + 120))}`;
}
