/**
 * A soak of the built worker: many streams at once, clients which leave and upstreams which fail, round after round.
 * Every stream has to end as the contract says, and nothing may be left behind.
 */
import { parseArgs } from "node:util";
import { launchWorker } from "../support/harness.mjs";
import { randomOf } from "../support/random.mjs";
import { launchUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";
import { Crowd } from "./soak/crowd.mjs";
import { soakKept } from "./soak/kept.mjs";
import { Round } from "./soak/round.mjs";

const USAGE =
  "Usage: npm run soak -- [--streams 500] [--rounds 3] [--requests 20000] [--aborts 3000] [--answers 200] [--seed <number>]";

const BINDINGS = { TIMEOUT_SECONDS: "8", HEARTBEAT_SECONDS: "1", LOG_LEVEL: "INFO" };

/** How much memory may have grown from the end of the first round to that of the last. */
const MAX_GROWTH = 0.1;

/** Longest time for a round, in milliseconds. */
const ROUND_MS = 180_000;

/** Longest time for the crowd, in milliseconds. */
const CROWD_MS = 900_000;

/** How many violations are told one by one. */
const SHOWN_VIOLATIONS = 40;

/** The table: titles, widths, and how each figure is shown. @type {[string, number, (figures: any) => unknown][]} */
const COLUMNS = [
  ["round", 5, (each) => each.round],
  ["streams", 9, (each) => each.streams],
  ["at once", 9, (each) => each.atOnce],
  ["completed", 11, (each) => each.completed],
  ["mended", 8, (each) => each.mended],
  ["left", 6, (each) => each.left],
  ["failed", 8, (each) => each.failed],
  ["frames", 8, (each) => each.frames],
  ["duration", 10, (each) => seconds(each.durationMs)],
  ["let go", 8, (each) => seconds(each.lettingGoMs)],
  ["sockets", 9, (each) => each.openSockets],
  ["JS heap", 10, (each) => mebibytes(each.heapBytes)],
  ["RSS", 12, (each) => mebibytes(each.rssBytes)],
];

const LEGEND = `
A tenth of the clients leave, a tenth of the upstreams fail: mended are those for which a retry was enough.
Let go: the longest that a call of upstream outlived a client that left. Sockets: upstream's that are left open.
Memory is what is left once the garbage is collected.
`;

const options = readOptions();
const violations = await soak(options);
for (const violation of violations.slice(0, SHOWN_VIOLATIONS)) {
  console.log(`  ${violation}`);
}
if (violations.length > SHOWN_VIOLATIONS) {
  console.log(`  … and ${violations.length - SHOWN_VIOLATIONS} more`);
}
console.log(
  violations.length === 0
    ? "PASSED"
    : `FAILED: violations: ${violations.length}; the same again: --seed ${options.seed}`,
);
process.exit(violations.length === 0 ? 0 : 1);

/** @returns {Promise<string[]>} what was violated */
async function soak({ streams, rounds, requests, aborts, answers, seed }) {
  console.log(`Soak: rounds: ${rounds}, streams in each: ${streams}, seed ${seed}\n`);
  console.log(row(([title]) => title));
  const random = randomOf(seed);
  const violations = [];
  const done = [];
  let round;
  const upstream = await launchUpstream((call) => round.serve(call));
  const bindings = { ...BINDINGS, OPENAI_BASE_URL: upstream.url };
  const app = await launchWorker(bindings, { inspectorPort: 0 });
  try {
    for (let number = 1; number <= rounds; number++) {
      round = new Round(app, upstream, `round-${number}`, streams, random.below(2 ** 32));
      const figures = await within(round.run(), `the end of round ${number}`, ROUND_MS);
      violations.push(...round.violations);
      done.push({ ...figures, round: number });
      console.log(row(([, , show]) => show(done.at(-1))));
      upstream.reset();
    }
    round = new Crowd(app, upstream, { requests, aborts }, random.below(2 ** 32));
    const crowd = await within(round.run(), "the end of the crowd", CROWD_MS);
    violations.push(...round.violations);
    console.log(LEGEND);
    console.log(
      `Then a crowd of short requests of every kind: ${crowd.requests}, cut off by their clients at random moments: ` +
        `${crowd.aborts}; last log lines: ${crowd.completed}, sockets left open: ${crowd.openSockets}, ` +
        `${seconds(crowd.durationMs)}.\n`,
    );
    violations.push(...brokenByMemory("JS heap", done, "heapBytes"));
    violations.push(...brokenByMemory("RSS", done, "rssBytes"));
    await app.stop();
    if (process.exitCode) {
      violations.push("the log has lines that it must not have, as shown above");
    }
  } catch (error) {
    violations.push(...round.violations, error.stack);
  }
  if (answers > 0) {
    const kept = await soakKept({ answers, rounds }, random);
    violations.push(...kept.violations);
    // The memory of the process that was killed is gone.
    violations.push(
      ...brokenByMemory("RSS with kept answers", kept.figures.slice(0, -1), "rssBytes"),
    );
    if (process.exitCode)
      violations.push("the log has lines that it must not have, as shown above");
  }
  return [...new Set(violations)];
}

function brokenByMemory(name, done, figure) {
  const [first, last] = [done.at(0)[figure], done.at(-1)[figure]];
  if (done.length < 2 || first === 0) {
    console.log(`${name} is not compared: that takes two rounds, and a system with /proc.`);
    return [];
  }
  const growth = last / first - 1;
  const percent = `${growth < 0 ? "" : "+"}${(growth * 100).toFixed(1)} %`;
  console.log(`${name} after the last round, against that after the first: ${percent}`);
  return growth > MAX_GROWTH ? [`${name} has grown by more than 10 %: ${percent}`] : [];
}

/** A line of the table. */
function row(cell) {
  return COLUMNS.map((column) => String(cell(column)).padStart(column[1])).join("");
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

function mebibytes(bytes) {
  return bytes === 0 ? "?" : `${(bytes / 1024 / 1024).toFixed(2)} MiB`;
}

function readOptions() {
  try {
    const usual = {
      streams: "500",
      rounds: "3",
      requests: "20000",
      aborts: "3000",
      answers: "200",
      seed: String(Date.now() % 1_000_000),
    };
    const { values } = parseArgs({
      options: Object.fromEntries(Object.keys(usual).map((name) => [name, { type: "string" }])),
    });
    const entries = Object.entries({ ...usual, ...values });
    for (const [name, value] of entries) {
      const least = ["streams", "rounds"].includes(name) ? 1 : 0;
      if (!/^\d{1,9}$/.test(value) || Number(value) < least) {
        throw new Error(`--${name} must be a whole number from ${least}.`);
      }
    }
    return Object.fromEntries(entries.map(([name, value]) => [name, Number(value)]));
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}
