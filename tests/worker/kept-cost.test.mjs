/**
 * What a kept answer costs, in counts that are the same on every machine: rows, which are most of the bill, and calls
 * between WebAssembly and JavaScript, which are most of the time. Its tokens come one by one, at 50 a second, in a time
 * that passes only with them.
 */
import assert from "node:assert/strict";
import test from "node:test";
import { BILL_PATH, BILLING } from "../support/bill.mjs";
import { startWorker } from "../support/harness.mjs";

const app = await startWorker({ ANONYMOUS_OWNER: "true" }, { front: BILLING, owners: true });

/** What all answers so far have cost. @returns {Promise<Record<string, number>>} */
async function bill() {
  return (await fetch(app.url + BILL_PATH)).json();
}

/** Has a question answered, and tells what that has cost. */
async function costOf({ tokens = 500, conversation = crypto.randomUUID() } = {}) {
  const before = await bill();
  const body = { message: `Say ${tokens} every 20`, conversation_id: conversation };
  const text = await (await app.chat(body)).text();
  assert.match(text, new RegExp(`"output_tokens":${tokens},`));
  await app.logsArrived();
  const costs = Object.entries(await bill());
  return Object.fromEntries(costs.map(([name, count]) => [name, count - before[name]]));
}

const first = await costOf();

test("the first answer of an owner, of 500 tokens, writes at most 140 rows, those of the tables included", () => {
  assert.ok(first.rowsWritten <= 140, `${first.rowsWritten}`);
});

test("an answer of 500 tokens writes at most 115 rows, everything included, and is at work for its ten seconds", async () => {
  const { rowsWritten, rowsRead, requests, ms } = await costOf();
  assert.ok(rowsWritten <= 115, `${rowsWritten}`);
  assert.ok(rowsRead <= 115, `${rowsRead}`);
  // The one that asks, and the alarm.
  assert.ok(requests <= 2, `${requests}`);
  assert.ok(ms <= 10_500, `${ms}`);
});

test("a long conversation adds rows that are read, for what the model sees of it, and none that are written", async () => {
  const conversation = crypto.randomUUID();
  const short = { tokens: 5, conversation };
  for (let turn = 0; turn < 40; turn += 1) await costOf(short);
  const { rowsWritten, rowsRead } = await costOf({ conversation });
  assert.ok(rowsWritten <= 115, `${rowsWritten}`);
  assert.ok(rowsRead <= 300, `${rowsRead}`);
});

test("a second of a kept answer at 50 tokens writes at most 11 rows, and costs at most 8 crossings a token", async () => {
  const few = await costOf();
  const more = await costOf({ tokens: 1000 });
  const rows = (more.rowsWritten - few.rowsWritten) / 10;
  assert.ok(rows <= 11, `${rows}`);
  const crossings = (more.crossings - few.crossings) / 500;
  assert.ok(crossings <= 8, `${crossings}`);
});
