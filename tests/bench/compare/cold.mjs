/** Starts: what the first request waits for. */
import { join } from "node:path";
import { ROOT } from "../../../scripts/lib/paths.mjs";
import { BUILT } from "../../../scripts/lib/workerd.mjs";
import { workerd } from "./contestants.mjs";
import { Clients } from "./load.mjs";

const PROBE = join(ROOT, "tests", "bench", "compare", "workers", "instantiation.mjs");

/** From the start of a process to the end of its first answer, in milliseconds, by contestant. */
export async function coldStarts(contestants, upstreamUrl, rounds) {
  const measured = Object.fromEntries(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, passes, start } of contestants) {
      const started = performance.now();
      const running = await start(upstreamUrl);
      const clients = new Clients({ port: running.port, passes });
      await clients.askMany(1, 1);
      measured[name].push(performance.now() - started);
      clients.stop();
      await running.stop();
    }
  }
  return measured;
}

/** How long the runtime takes to compile and instantiate the worker's WebAssembly, in milliseconds. */
export async function instantiation(rounds) {
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const running = await workerd({ "instantiation.mjs": PROBE, ...BUILT }, {});
    const answer = await fetch(`http://127.0.0.1:${running.port}/`);
    times.push(Number(await answer.text()));
    await running.stop();
  }
  return times;
}
