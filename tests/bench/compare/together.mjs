/**
 * Contestants beside each other on one core, all at the same time. A shared machine changes its speed from one second to
 * the next; whatever it does then happens to all of them, so that a difference of one in a hundred is seen in two
 * minutes. Their caches are colder than when one is alone.
 */
import { giveCore } from "./cores.mjs";
import { Clients } from "./load.mjs";
import { cpuMicroseconds } from "./process.mjs";

/** Processes of each contestant, one after the other: no two of one program cost quite the same. */
const INSTANCES = 5;
const WINDOWS = 5;
/** Streams of all of them together, which keep a core busy but not too busy. */
const STREAMS = 150;
const TOKENS = 100;
const EVERY_MS = 20;

/**
 * What a paced token costs each of them, in units of what it costs the first one: mean and standard error.
 *
 * @param {import("./contestants.mjs").Contestant[]} contestants
 * @param {string} upstreamUrl
 * @returns {Promise<{ name: string, microseconds: number, ratio: number, error: number }[]>}
 */
export async function measureTogether(contestants, upstreamUrl) {
  const streams = Math.floor(STREAMS / contestants.length);
  const costs = contestants.map(() => []);
  for (let instance = 0; instance < INSTANCES; instance += 1) {
    const subjects = [];
    // Nobody is always the first one to be started, nor to be asked.
    for (const index of contestants.keys()) {
      const at = (index + instance) % contestants.length;
      const running = await contestants[at].start(upstreamUrl);
      giveCore(running);
      const { passes } = contestants[at];
      const clients = new Clients({ port: running.port, passes });
      await clients.askMany(streams, TOKENS, EVERY_MS);
      subjects.push({ running, clients, costs: costs[at] });
    }
    for (let window = 0; window < WINDOWS; window += 1) {
      const before = subjects.map(({ running }) => cpuMicroseconds(running.pid));
      await Promise.all(subjects.map(({ clients }) => clients.askMany(streams, TOKENS, EVERY_MS)));
      for (const [index, subject] of subjects.entries()) {
        const spent = cpuMicroseconds(subject.running.pid) - before[index];
        subject.costs.push(spent / (streams * TOKENS));
      }
    }
    for (const { running, clients } of subjects) {
      clients.stop();
      await running.stop();
    }
  }
  return contestants.map(({ name }, index) => {
    const ratios = costs[index].map((cost, window) => cost / costs[0][window]);
    const ratio = mean(ratios);
    const variance = mean(ratios.map((each) => (each - ratio) ** 2));
    const error = Math.sqrt(variance / (ratios.length - 1));
    return { name, microseconds: mean(costs[index]), ratio, error };
  });
}

function mean(all) {
  return all.reduce((sum, each) => sum + each, 0) / all.length;
}
