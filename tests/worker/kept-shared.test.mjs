/** An answer that many read at once is in memory once. */
import assert from "node:assert/strict";
import test from "node:test";
import { startWorker } from "../support/harness.mjs";
import { KeptClient } from "../support/kept-reader.mjs";
import { answer, startUpstream } from "../support/upstream.mjs";

const READERS = 60;
const PIECES = 90;
const PIECE = "x".repeat(20_000);

/** A module in front of the worker's own, which tells how much memory WebAssembly has. It never gives any back. */
const MEASURING = `
const Instance = WebAssembly.Instance;
let memory;

WebAssembly.Instance = function (module, imports) {
  const instance = new Instance(module, imports);
  memory = instance.exports.memory;
  return instance;
};

const { default: Worker } = await import("./index.js");

export default class extends Worker {
  fetch(request) {
    return new URL(request.url).pathname === "/memory"
      ? Response.json(memory.buffer.byteLength)
      : super.fetch(request);
  }
}
`;

const upstream = await startUpstream();
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, ANONYMOUS_OWNER: "true" },
  { front: MEASURING, owners: true },
);
const client = new KeptClient(app);
const memoryBytes = async () => (await fetch(`${app.url}/memory`)).json();

test("readers of one answer share it, however long it is", async () => {
  const asked = client.ask({ conversation: "c", message: "All of it", key: "long" });
  (await upstream.nextCall()).end(...answer(...Array(PIECES).fill(PIECE)));
  const whole = await asked.whole();
  assert.ok(whole.length > PIECES * PIECE.length);
  // Whatever the first reader takes is there to be used again.
  await client.read("long").whole();
  const before = await memoryBytes();
  // They have read some of it, and stay.
  const stalled = new AbortController();
  const responses = await Promise.all(
    Array.from({ length: READERS }, () =>
      fetch(`${app.url}/answers/long`, { signal: stalled.signal }),
    ),
  );
  assert.ok(responses.every(({ status }) => status === 200));
  const grownBytes = (await memoryBytes()) - before;
  assert.ok(
    grownBytes < 10 * PIECE.length * PIECES,
    `${grownBytes} bytes more for ${READERS} readers`,
  );
  stalled.abort();
});
