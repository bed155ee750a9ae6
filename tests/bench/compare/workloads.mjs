/** What the contestants have to do, and what is measured while they do it. */
import { setTimeout as sleep } from "node:timers/promises";
import { cpuMicroseconds, residentBytes } from "./machine.mjs";

/** @typedef {import("./contestants.mjs").Contestant & { running: import("./contestants.mjs").Running, clients: import("./load.mjs").Clients }} Subject */

/** Requests to a process by which the first token is timed. */
const FIRST_TOKENS = 300;
const FIRST_TOKEN_TURNS = 20;

const MANY_STREAMS = 2000;
/** Clients that connect at once; a listener's queue is bounded. */
const CONNECTING = 100;
/** How often memory is looked at, in milliseconds. */
const SAMPLE_MS = 250;

/**
 * A workload that costs CPU.
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {number} windows How often it is measured with the same processes.
 * @property {(clients: import("./load.mjs").Clients, share: number) => Promise<number>} run Asks a contestant, which has
 *   this share of a core; resolves to the number of tokens, or of requests, that were answered.
 */

/** A hundred streams, each of 200 tokens at 50 a second. @type {Workload} */
const PACED = {
  name: "paced",
  windows: 3,
  async run(clients, share) {
    const streams = Math.ceil(100 * share);
    await clients.askMany(streams, 200, 20);
    return streams * 200;
  },
};

/** For those who keep answers. @type {Workload[]} */
export const KEPT_WORKLOADS = [{ ...PACED, name: "kept" }];

/** @type {Workload[]} */
export const WORKLOADS = [
  PACED,
  {
    // Answers of 500 tokens that come all at once.
    name: "burst",
    windows: 8,
    async run(clients) {
      for (let turn = 0; turn < 4; turn += 1) await clients.askMany(10, 500);
      return 4 * 10 * 500;
    },
  },
  {
    // Answers of one token, 20 at a time.
    name: "short",
    // V8 compiles the code that runs once a request late: the first thousands cost more.
    warmUp: 8,
    windows: 8,
    async run(clients, share) {
      const atOnce = Math.ceil(20 * share);
      for (let count = 0; count < 800; count += atOnce) await clients.askMany(atOnce, 1);
      return Math.ceil(800 / atOnce) * atOnce;
    },
  },
];

/**
 * CPU for each token or request in microseconds: for each window, that of each contestant. They take turns, alone on
 * their core. Or they work at the same time: then whatever a shared machine does in a moment happens to all of them, so
 * that ratios are good to half a percent, but their caches are colder.
 *
 * @param {Workload} workload
 * @param {Subject[]} subjects
 * @param {boolean} isTogether
 */
export async function cpu({ run, windows, warmUp = 1 }, subjects, isTogether) {
  const all = [];
  for (let window = 0; window < warmUp + windows; window += 1) {
    const costs = [];
    const measure = async (index, share) => {
      const { running, clients } = subjects[index];
      const before = cpuMicroseconds(running.pid);
      const pieces = await run(clients, share);
      costs[index] = (cpuMicroseconds(running.pid) - before) / pieces;
    };
    // Nobody is always the first.
    const order = [...subjects.keys()].map((index) => (index + window) % subjects.length);
    if (isTogether) {
      await Promise.all(order.map((index) => measure(index, 1 / subjects.length)));
    } else {
      for (const index of order) await measure(index, 1);
    }
    if (window >= warmUp) all.push(costs);
  }
  return all;
}

/**
 * One request at a time, from its start to the first frame: of each contestant the median in milliseconds. They take
 * turns, so that whatever a shared machine does in a moment happens to all of them.
 *
 * @param {Subject[]} subjects
 */
export async function firstToken(subjects) {
  const all = subjects.map(() => []);
  for (let turn = 0; turn < FIRST_TOKEN_TURNS; turn += 1) {
    for (const [index, { clients }] of subjects.entries()) {
      for (let request = 0; request < FIRST_TOKENS / FIRST_TOKEN_TURNS; request += 1) {
        const [{ firstMs }] = await clients.askMany(1, 1);
        all[index].push(firstMs);
      }
    }
  }
  // The first half warmed them up.
  const warm = all.map((each) => each.slice(FIRST_TOKENS / 2).sort((a, b) => a - b));
  return warm.map((each) => each[Math.floor(each.length / 2)]);
}

/** Tells that answers were not complete. */
export class Lost extends Error {
  constructor(count, why = "it did not open in time") {
    super(`${count} of ${MANY_STREAMS} streams were lost; the first: ${why}`);
    this.count = count;
  }
}

/**
 * What one of many open streams takes in memory while a token comes each second, in KiB.
 *
 * @param {Subject} subject
 * @throws {Lost}
 */
export async function memory({ running, clients }) {
  // What is needed once, whatever the number of streams, is there before the first look.
  for (let turn = 0; turn < 5; turn += 1) await clients.askMany(50, 20);
  const idleBytes = residentBytes(running.pid);
  const pending = [];
  let open = 0;
  while (pending.length < MANY_STREAMS) {
    const connecting = Array.from({ length: CONNECTING }, () => {
      const { promise, resolve } = Promise.withResolvers();
      const reading = clients.ask(10, 1000, () => {
        open += 1;
        resolve();
      });
      pending.push(reading);
      return Promise.race([promise, reading]);
    });
    await Promise.all(connecting);
  }
  let peakBytes = 0;
  let isOver = false;
  const readings = Promise.all(pending).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    peakBytes = Math.max(peakBytes, residentBytes(running.pid));
    await Promise.race([readings, sleep(SAMPLE_MS)]);
  }
  const wrong = (await readings).filter(({ ok }) => !ok);
  const lost = Math.max(wrong.length, MANY_STREAMS - open);
  if (lost > 0) throw new Lost(lost, wrong[0]?.why);
  return (peakBytes - idleBytes) / MANY_STREAMS / 1024;
}
