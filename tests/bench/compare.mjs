/**
 * This worker beside what else one could deploy: what a token costs in CPU, how much later the first one comes, what an
 * open stream takes in memory. Then the same of answers that are kept, beside what else keeps them. Prints a table of
 * each, then each target and whether it is met.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../scripts/lib/paths.mjs";
import { stopAll } from "../../scripts/lib/process.mjs";
import { builtIn, CONTESTANTS, KEEPERS, Missing } from "./compare/contestants.mjs";
import { Clients, Upstream } from "./compare/load.mjs";
import { gzippedBytes, keepLoadAway, machine, shareCores } from "./compare/machine.mjs";
import { judge, printTable, printTargets } from "./compare/report.mjs";
import { cpu, firstToken, KEPT_WORKLOADS, Lost, memory, WORKLOADS } from "./compare/workloads.mjs";

const USAGE = `Usage: npm run bench -- [--only worker,idiomatic,kept]
       [--workloads paced,burst,short,first-token,memory,kept,kept-first-token,kept-memory] [--rounds 4] [--together] [--build NAME=FOLDER]... [--json FILE]

--build adds another build of this worker: the folder of its index.js and index_bg.wasm.
--together has all contestants work at the same time on one core, which tells builds apart that differ by one percent.`;

const options = readOptions();
const upstream = new Upstream();
const upstreamUrl = await upstream.start();
const about = machine();
console.log(`${Object.values(about).join(", ")}\n`);

/** Figures in the order in which they were measured, by workload and contestant. @type {Record<string, Record<string, number[]>>} */
const figures = {};
/** Who is measured beside whom, in what. */
const leagues = [
  { prefix: "", workloads: WORKLOADS, contestants: options.contestants(CONTESTANTS) },
  { prefix: "kept-", workloads: KEPT_WORKLOADS, contestants: options.contestants(KEEPERS) },
].filter(({ prefix, workloads }) =>
  [...workloads.map(({ name }) => name), `${prefix}first-token`, `${prefix}memory`].some(
    options.wants,
  ),
);
for (let round = 0; round < options.rounds; round += 1) {
  console.log(`round ${round + 1} of ${options.rounds}`);
  for (const league of leagues) await measureRound(league, round);
}
for (const league of leagues) {
  if (options.wants(`${league.prefix}memory`)) await measureMemory(league);
}
record("size", "worker", gzippedBytes() / 1000);

const targets = judge(figures);
for (const { prefix, contestants } of leagues) printTable(figures, contestants, prefix);
printTargets(targets);
writeFileSync(options.json, `${JSON.stringify({ about, figures, targets }, null, 2)}\n`);
console.log(`\nAll figures: ${options.json}`);
upstream.stop();
await stopAll();
process.exit(0);

/** New processes each round: no two processes of one program cost quite the same. */
async function measureRound(league, round) {
  const { prefix, workloads, contestants } = league;
  shareCores();
  const subjects = [];
  for (const contestant of rotated(contestants, round)) {
    const started = performance.now();
    const subject = await start(contestant, league);
    if (!subject) continue;
    record(`${prefix}cold`, contestant.name, performance.now() - started);
    await checkBytes(subject);
    subjects.push(subject);
  }
  keepLoadAway(subjects.map(({ running }) => running.pid));
  for (const workload of workloads.filter(({ name }) => options.wants(name))) {
    const windows = await cpu(workload, subjects, options.together);
    for (const costs of windows) {
      for (const [index, { name }] of subjects.entries()) record(workload.name, name, costs[index]);
    }
  }
  if (options.wants(`${prefix}first-token`)) {
    const medians = await firstToken(subjects);
    for (const [index, { name }] of subjects.entries()) {
      record(`${prefix}first-token`, name, medians[index]);
    }
  }
  for (const subject of subjects) await stop(subject);
}

/** One contestant after the other, each in a process that has done nothing yet. */
async function measureMemory(league) {
  const { prefix, contestants } = league;
  for (const contestant of contestants) {
    console.log(`memory: ${contestant.title}`);
    const subject = await start(contestant, league);
    keepLoadAway([subject.running.pid]);
    try {
      record(`${prefix}memory`, contestant.name, await memory(subject));
      record(`${prefix}lost`, contestant.name, 0);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      console.log(`  ${error.message}`);
      record(`${prefix}lost`, contestant.name, error.count);
    }
    await stop(subject);
  }
}

/** Starts a contestant and has it answer once. What is not on this machine takes no part from then on. */
async function start(contestant, league) {
  try {
    const running = await contestant.start(upstreamUrl);
    const clients = new Clients(running.port, contestant.protocol);
    await clients.askMany(1, 1);
    return { ...contestant, running, clients };
  } catch (error) {
    if (!(error instanceof Missing)) throw new Error(contestant.title, { cause: error });
    console.log(`${contestant.title} is left out: ${error.message}`);
    league.contestants = league.contestants.filter((each) => each !== contestant);
    return undefined;
  }
}

async function stop({ running, clients }) {
  clients.stop();
  await running.stop();
}

/** Before anything is timed, the answers have to be right, byte for byte, at every pace. */
async function checkBytes({ title, clients }) {
  try {
    await clients.askMany(2, 30, 1);
    await clients.askMany(1, 700);
  } catch (error) {
    throw new Error(`${title} answers wrongly`, { cause: error });
  }
}

function record(workload, contestant, figure) {
  figures[workload] ??= {};
  figures[workload][contestant] ??= [];
  figures[workload][contestant].push(figure);
}

/** Nobody is always the first to start. */
function rotated(all, by) {
  const at = by % all.length;
  return [...all.slice(at), ...all.slice(0, at)];
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: "string" },
        workloads: { type: "string" },
        rounds: { type: "string", default: "4" },
        together: { type: "boolean", default: false },
        build: { type: "string", multiple: true, default: [] },
        json: { type: "string", default: join(ROOT, "build", "bench.json") },
      },
    });
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 2) throw new Error("--rounds is a number from 2 on.");
    const known = [
      ...WORKLOADS.map(({ name }) => name),
      "first-token",
      "memory",
      ...KEPT_WORKLOADS.map(({ name }) => name),
      "kept-first-token",
      "kept-memory",
    ];
    const workloads = listOf(values.workloads, known);
    const only = listOf(
      values.only,
      [...CONTESTANTS, ...KEEPERS].map(({ name }) => name),
    );
    const builds = values.build.map((build) => build.split("="));
    const built = (all) => builds.map((build) => builtIn(...build, all === KEEPERS));
    return {
      rounds,
      json: values.json,
      together: values.together,
      wants: (workload) => workloads.includes(workload),
      contestants: (all) => [...all.filter(({ name }) => only.includes(name)), ...built(all)],
    };
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}

/** The names in a list, or all of them. */
function listOf(text, known) {
  const named = text?.split(",") ?? known;
  const unknown = named.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`There is no '${unknown}' to measure.`);
  return named;
}
