/** One chat between a client, the worker and the fake upstream. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { checkBlocks, frames } from "./frames.mjs";
import { answerWell, delta } from "./upstream.mjs";
import { within } from "./within.mjs";

/**
 * Sends a chat and waits for the worker's call of upstream, which the test then answers step by step.
 *
 * @returns {Promise<{ id: string, call: import('./upstream.mjs').Call, response: Promise<Response> }>}
 */
export async function begin(app, upstream, { body = { message: "Hello" }, headers, ...init } = {}) {
  const id = crypto.randomUUID();
  const response = app.chat(body, { headers: { "x-correlation-id": id, ...headers }, ...init });
  // The answer may fail before the test looks at it.
  response.catch(() => {});
  return { id, call: await upstream.nextCall(), response };
}

/**
 * Sends a chat, has each of its calls answered by one of `scripts`, and reads the answer to its end. Without scripts,
 * upstream gives a good answer.
 */
export async function exchange(
  app,
  upstream,
  { body = { message: "Hello" }, headers, scripts = [answerWell] } = {},
) {
  const id = crypto.randomUUID();
  upstream.reset();
  upstream.script(...scripts);
  const response = await app.chat(body, { headers: { "x-correlation-id": id, ...headers } });
  return { id, response, text: await read(response), calls: upstream.calls };
}

/** Reads a body to its end, byte for byte. @param {Response} response */
export async function read(response) {
  const text = Buffer.from(
    await within(response.arrayBuffer(), "the end of the answer"),
  ).toString();
  if (response.headers.get("content-type")?.startsWith("text/event-stream")) {
    checkBlocks(text);
  }
  return text;
}

/** Asserts that the worker still works: the next good request gets its whole answer. */
export async function assertStillServes(app, upstream) {
  const { id, text } = await exchange(app, upstream);
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }), "the next good request works");
}

/** What each event of a stalled answer adds. */
export const PIECE = "x".repeat(20_000);

/**
 * Begins an answer whose client reads nothing, and has upstream write to it until the worker takes no more.
 *
 * @param {{ event?: string, times?: number, end?: string[] }} [answer] what upstream has for it: an event, so many
 *   times, and then the end
 */
export async function stall(app, upstream, { event = delta(PIECE), times, end = [] } = {}) {
  const id = crypto.randomUUID();
  const client = app.send({ "x-correlation-id": id });
  client.end('{"message":"Hello"}');
  const call = await upstream.nextCall();
  call.open();
  const [response] = await within(once(client, "response"), "the answer's headers");
  response.on("error", () => {}).pause();
  let written = 0;
  const flood = call.flood(event, times, (count) => {
    written = count;
  });
  flood.then(() => call.write(...end));
  // Answering others, one after the other, gives the worker the time to take more, if it would.
  for (let before = -1; before !== written; ) {
    before = written;
    for (let other = 0; other < 20; other++) await exchange(app, upstream);
  }
  /** Reads the whole answer after all. */
  const read = async () => {
    const chunks = await within(Array.fromAsync(response), "the end of the answer");
    return Buffer.concat(chunks).toString();
  };
  return { id, client, call, response, written: written * PIECE.length, read };
}
