/**
 * A module in front of the worker's own that counts what its objects are billed for: rows, alarms and requests. The model's
 * server is in it too, and time passes only while that speaks, so the counts are the same on every machine.
 *
 * It runs inside the worker, so it uses nothing of Node's.
 */

import { COUNT } from "./crossings.mjs";

/** Where the counts are asked for. */
export const BILL_PATH = "/bill";

/** The source of the main module. A message says `TOKENS every MILLISECONDS`. */
export const BILLING = `${COUNT}
const bill = { requests: 0, alarmsSet: 0 };
const cursors = [];
let storedBytes = 0;

const turn = globalThis.setTimeout;
const timers = new Map();
let nowMs = Date.parse("2026-01-28T12:00:00Z");
let lastId = 0;

Date.now = () => nowMs;

globalThis.setTimeout = (callback, delayMs, ...args) => {
  lastId += 1;
  timers.set(lastId, { dueMs: nowMs + delayMs, run: () => callback(...args) });
  return lastId;
};

globalThis.clearTimeout = (id) => timers.delete(id);

/** Lets the runtime deal with all that it has. */
const settle = () => new Promise((resolve) => turn(resolve, 0));

/** Lets time pass: every timer that is due by then fires, in order. */
async function pass(ms) {
  const untilMs = nowMs + ms;
  for (;;) {
    const [[id, timer] = []] = [...timers].sort(([, one], [, other]) => one.dueMs - other.dueMs);
    if (timer === undefined || timer.dueMs > untilMs) break;
    timers.delete(id);
    nowMs = Math.max(nowMs, timer.dueMs);
    timer.run();
    await settle();
  }
  nowMs = untilMs;
}

const encoder = new TextEncoder();

function* events(tokens) {
  const choice = (fields) => ({ choices: [{ index: 0, ...fields }] });
  for (let token = 0; token < tokens; token += 1) {
    yield choice({ delta: { content: " token" + token }, finish_reason: null });
  }
  yield choice({ delta: {}, finish_reason: "stop" });
  yield { choices: [], usage: { prompt_tokens: 9, completion_tokens: tokens, total_tokens: tokens + 9 } };
}

globalThis.fetch = async (url, { body }) => {
  const { messages } = JSON.parse(body);
  const [, tokens, everyMs] = messages.at(-1).content.match(/(\\d+) every (\\d+)/);
  const said = events(Number(tokens));
  const stream = new ReadableStream({
    type: "bytes",
    async pull(controller) {
      await settle();
      await pass(Number(everyMs));
      const { value, done } = said.next();
      const data = done ? "[DONE]" : JSON.stringify(value);
      controller.enqueue(encoder.encode("data: " + data + "\\n\\n"));
      if (done) controller.close();
    },
  });
  return new Response(stream, { headers: { "content-type": "text/event-stream" } });
};

const built = await import("./index.js");

/** What an object sees of the runtime, counted; alarm is called when its alarm goes off. */
function billed(context, alarm) {
  const { storage } = context;
  return {
    waitUntil: (work) => context.waitUntil(work),
    storage: {
      sql: {
        exec(...args) {
          const cursor = storage.sql.exec(...args);
          cursors.push(cursor);
          storedBytes = storage.sql.databaseSize;
          return cursor;
        },
      },
      transactionSync: (work) => storage.transactionSync(work),
      sync: () => storage.sync(),
      async setAlarm(atMs) {
        bill.alarmsSet += 1;
        timers.set("alarm", { dueMs: atMs, run: alarm });
      },
    },
  };
}

export class Owner {
  #owner;

  constructor(context, env) {
    const alarm = () => {
      bill.requests += 1;
      return this.#owner.alarm();
    };
    this.#owner = new built.Owner(billed(context, alarm), env);
  }

  fetch(request) {
    bill.requests += 1;
    return this.#owner.fetch(request);
  }
}

export default class extends built.default {
  fetch(request) {
    if (new URL(request.url).pathname !== "${BILL_PATH}") return super.fetch(request);
    const sum = (name) => cursors.reduce((total, cursor) => total + cursor[name], 0);
    return Response.json({
      ...bill,
      rowsRead: sum("rowsRead"),
      rowsWritten: sum("rowsWritten") + bill.alarmsSet,
      crossings: Object.values(counts).reduce((total, count) => total + count, 0),
      storedBytes,
      ms: nowMs,
    });
  }
}
`;
