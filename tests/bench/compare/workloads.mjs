/** What the contestants have to do, and what is measured while they do it. */
import { setTimeout as sleep } from "node:timers/promises";
import { cpuMicroseconds, residentBytes } from "./process.mjs";

/**
 * @typedef {object} Subject
 * @property {import("./contestants.mjs").Running} running
 * @property {import("./load.mjs").Clients} clients
 */

/**
 * @typedef {object} Workload
 * @property {string} name
 * @property {string} title
 * @property {string} unit
 * @property {(subject: Subject) => Promise<number[]>} measure Figures of one round.
 * @property {number} [slices] How many of them, taken in turns with the other contestants, make a round.
 * @property {boolean} [fresh] Whether each measurement needs a process that has done nothing yet.
 */

/** Tells that answers were not complete. */
export class Lost extends Error {
  constructor(count, why = "it did not open in time") {
    super(`${count} of ${MANY_STREAMS} streams were lost; the first: ${why}`);
    this.count = count;
  }
}

/** How often memory is looked at, in milliseconds. */
const SAMPLE_MS = 250;
const MANY_STREAMS = 2000;
/** Clients that connect at once; a listener's queue is bounded. */
const CONNECTING = 100;

/** @type {Workload} */
const paced = {
  name: "paced",
  title: "100 streams × 50 tokens/s × 200 tokens: CPU per token",
  unit: "µs",
  measure: (subject) => perPiece(subject, 100 * 200, () => subject.clients.askMany(100, 200, 20)),
};

/** @type {Workload} */
const burst = {
  name: "burst",
  title: "500 tokens at once, 50 streams: CPU per token",
  unit: "µs",
  measure: (subject) => perPiece(subject, 50 * 500, () => subject.clients.askMany(50, 500)),
};

/** @type {Workload} */
const short = {
  name: "short",
  title: "one-token answers, 20 at a time: CPU per request",
  unit: "µs",
  // Long enough together for what garbage collectors do seldom.
  slices: 4,
  measure: (subject) =>
    perPiece(subject, 700, async () => {
      for (let turn = 0; turn < 35; turn += 1) await subject.clients.askMany(20, 1);
    }),
};

/** @type {Workload} */
const firstToken = {
  name: "first-token",
  title: "one stream at a time: request to first frame",
  unit: "ms",
  async measure({ clients }) {
    const readings = [];
    for (let turn = 0; turn < 100; turn += 1) readings.push(...(await clients.askMany(1, 1)));
    return readings.map(({ firstMs }) => firstMs);
  },
};

/** @type {Workload} */
const many = {
  name: "many",
  title: `${MANY_STREAMS} streams open at once, a token a second each: memory per stream`,
  unit: "KiB",
  fresh: true,
  async measure({ running, clients }) {
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
    let peakBytes = residentBytes(running.pid);
    let ended = false;
    const readings = Promise.all(pending).finally(() => {
      ended = true;
    });
    while (!ended) {
      peakBytes = Math.max(peakBytes, residentBytes(running.pid));
      await Promise.race([readings, sleep(SAMPLE_MS)]);
    }
    const wrong = (await readings).filter(({ ok }) => !ok);
    const lost = Math.max(wrong.length, MANY_STREAMS - open);
    if (lost > 0) throw new Lost(lost, wrong[0]?.why);
    return [(peakBytes - idleBytes) / MANY_STREAMS / 1024];
  },
};

/** @type {Workload[]} */
export const WORKLOADS = [paced, burst, short, firstToken, many];

/** @param {Subject} subject */
async function perPiece({ running }, pieces, work) {
  const before = cpuMicroseconds(running.pid);
  await work();
  return [(cpuMicroseconds(running.pid) - before) / pieces];
}
