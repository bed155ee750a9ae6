/**
 * What a token takes in instructions outside the kernel, counted by valgrind's callgrind. Clocks differ from minute to
 * minute on a shared machine; a count hardly does.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../../compat/server.mjs";
import { Clients } from "./load.mjs";

/** Long enough that what is compiled while it runs is compiled. */
const WARM_UP = { streams: 30, tokens: 1000, everyMs: 40 };
const STREAMS = 10;
/** A token alone: upstream is slower than even a runtime whose instructions are counted. */
const EVERY_MS = 80;
const FEW_TOKENS = 20;
const MANY_TOKENS = 320;

/** Whether the tool is there. */
export function canCount() {
  return spawnSync("callgrind_control", ["--version"]).status === 0;
}

/**
 * Thousands of instructions for one more token of an answer.
 *
 * @param {import("./contestants.mjs").Contestant} contestant
 */
export async function instructionsPerToken({ start, passes }, upstreamUrl) {
  const folder = temporaryFolder();
  const out = join(folder, "out");
  const running = await start(upstreamUrl, [
    "valgrind",
    "--tool=callgrind",
    // The runtime writes code while it runs.
    "--smc-check=all-non-file",
    `--callgrind-out-file=${out}`,
  ]);
  const clients = new Clients({ port: running.port, passes });
  await clients.askMany(WARM_UP.streams, WARM_UP.tokens, WARM_UP.everyMs);
  dump(running.pid);
  await clients.askMany(STREAMS, FEW_TOKENS, EVERY_MS);
  dump(running.pid);
  await clients.askMany(STREAMS, MANY_TOKENS, EVERY_MS);
  dump(running.pid);
  clients.stop();
  await running.stop();
  const [, few, many] = totals(folder);
  return (many - few) / (STREAMS * (MANY_TOKENS - FEW_TOKENS)) / 1000;
}

/** Has what was counted since the last time written to a file of its own. */
function dump(pid) {
  const { status, stderr } = spawnSync("callgrind_control", ["--dump", `${pid}`]);
  if (status !== 0) throw new Error(`callgrind_control failed: ${stderr}`);
}

/** What each file counted, in the order in which they were written. */
function totals(folder) {
  const number = (name) => Number(name.split(".").at(-1));
  const files = readdirSync(folder)
    .filter((name) => /^out\.\d+$/.test(name))
    .sort((a, b) => number(a) - number(b));
  return files.map((name) => {
    const text = readFileSync(join(folder, name), "utf8");
    return Number(text.match(/^(?:totals|summary): (\d+)$/m)[1]);
  });
}
