/** One chat between a client, the worker and the fake upstream. */
import assert from "node:assert/strict";
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
  // A test may see the answer fail before it looks at it.
  response.catch(() => {});
  return { id, call: await upstream.nextCall(), response };
}

/**
 * Sends a chat, has its upstream calls answered by `scripts`, one each, and reads the answer to its end. Without
 * scripts upstream answers well.
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

/** Shows that the worker is unharmed: the next good request gets its whole answer. */
export async function assertStillServes(app, upstream) {
  const { id, text } = await exchange(app, upstream);
  assert.equal(text, frames(id, ["Hi"], { finish_reason: "stop" }), "the next good request works");
}

/** What the pieces of a flood add, in characters. */
export const FLOOD_PIECE = "x".repeat(20_000);

/**
 * Has upstream write faster than the client reads, until the worker takes no more of it.
 *
 * @param {import('./upstream.mjs').Call} call
 * @param {number} [pieces] how many of them upstream has
 * @returns {Promise<{ written: number, over: Promise<void> }>} how many it could write, and the end of the flood
 */
export async function floodUntilHeldBack(app, upstream, call, pieces) {
  let written = 0;
  const over = call.flood(delta(FLOOD_PIECE), pieces, (count) => {
    written = count;
  });
  // Answers to others, one after the other, give the worker the time that it would need to take more.
  for (let before = -1; before !== written; ) {
    before = written;
    for (let other = 0; other < 20; other++) await exchange(app, upstream);
  }
  return { written, over };
}
