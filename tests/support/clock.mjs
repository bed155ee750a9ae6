/**
 * A module in front of the worker's own in which time belongs to the test: the clock stands still, and no timer fires,
 * until the test lets time pass. Chance is fixed too, so a retry waits exactly as long as the rule says.
 *
 * It runs inside the worker, so it uses nothing of Node's.
 */

import { within } from "./within.mjs";

const PATH = "/clock";

/** When the clock starts, as the log writes it. */
export const START = "2026-01-28T12:00:00.000000+00:00";

/** The source of the main module. */
export const CLOCK = `
const { setTimeout, clearTimeout } = globalThis;
const timers = new Map();
let nowMs = Date.parse("${START}");
let lastId = 0;
let onArmed = () => {};
let onCleared = () => {};

Date.now = () => nowMs;
Math.random = () => 0;

/** Waits for a promise. Without a timer of its own, the runtime takes a request that only waits for a test as hung. */
async function patiently(promise) {
  const timer = setTimeout(() => {}, 600_000);
  const value = await promise;
  clearTimeout(timer);
  return value;
}

globalThis.setTimeout = (callback, delayMs, ...args) => {
  const { promise, resolve } = Promise.withResolvers();
  // The continuation runs as part of the request that armed the timer, whichever request lets time pass.
  const ran = patiently(promise).then((isDue) => isDue && callback(...args));
  lastId += 1;
  timers.set(lastId, { dueMs: nowMs + delayMs, settle: resolve, ran });
  onArmed();
  return lastId;
};

globalThis.clearTimeout = (id) => {
  timers.get(id)?.settle(false);
  timers.delete(id);
  onCleared(id);
};

async function pass(ms) {
  const untilMs = nowMs + ms;
  for (;;) {
    const [[id, timer] = []] = [...timers].sort(([, one], [, other]) => one.dueMs - other.dueMs);
    if (timer === undefined || timer.dueMs > untilMs) break;
    timers.delete(id);
    nowMs = Math.max(nowMs, timer.dueMs);
    // A request that ends at this moment, for another reason, clears its timer and never runs what was due.
    const isCleared = new Promise((resolve) => {
      onCleared = (cleared) => cleared === id && resolve();
    });
    timer.settle(true);
    await patiently(Promise.race([timer.ran, isCleared]));
  }
  nowMs = untilMs;
}

/** Timers do not heed what somebody sets the clock to. */
function set(ms) {
  nowMs += ms;
  for (const timer of timers.values()) timer.dueMs += ms;
}

const { default: Worker } = await import("./index.js");

export default class extends Worker {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "${PATH}") return super.fetch(request);
    while (timers.size < Number(searchParams.get("waiting"))) {
      await patiently(new Promise((resolve) => { onArmed = resolve; }));
    }
    if (searchParams.has("set")) set(Number(searchParams.get("set")));
    else await pass(Number(searchParams.get("ms")));
    return new Response();
  }
}
`;

/**
 * Lets time pass in a worker that was started with `{ front: CLOCK }`: every timer that is due by then fires, in order.
 *
 * It begins once `waiting` requests wait for something that has a deadline, and once the worker has taken in what was
 * sent to it before. After an answer that upstream has ended and the client has read, nothing waits.
 */
export async function pass(app, seconds, { waiting = 1 } = {}) {
  await settle(app);
  const what = `${seconds} s to pass; do ${waiting} requests wait?`;
  await ask(app, { ms: Math.round(seconds * 1000), waiting }, what);
  await settle(app);
}

/** Has somebody set the worker's clock by so much, ahead or back, while no time passes. */
export async function setClock(app, seconds) {
  await settle(app);
  await ask(app, { set: Math.round(seconds * 1000) }, "the clock to be set");
}

/** Answers to other requests, one after the other, give the worker the turns that it takes to deal with what it has. */
async function settle(app) {
  for (let turn = 0; turn < 3; turn++) await ask(app, { ms: 0, waiting: 0 }, "an answer");
}

async function ask(app, query, what) {
  const asked = fetch(`${app.url}${PATH}?${new URLSearchParams(query)}`);
  await within(
    asked.then((response) => response.text()),
    what,
  );
}
