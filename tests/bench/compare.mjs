/**
 * The worker beside what else one could deploy, in one run on one machine: what a token costs in CPU, how much later
 * the first one comes, what an open stream takes in memory.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../scripts/lib/paths.mjs";
import { stopAll } from "../../scripts/lib/process.mjs";
import { coldStarts, instantiation } from "./compare/cold.mjs";
import { CONTESTANTS, Missing } from "./compare/contestants.mjs";
import { giveCore, keepLoadAway, shareCores } from "./compare/cores.mjs";
import { canCount, instructionsPerToken } from "./compare/instructions.mjs";
import { Clients, Upstream } from "./compare/load.mjs";
import { gzippedBytes, machine } from "./compare/machine.mjs";
import { judge, printTable, printTargets } from "./compare/report.mjs";
import { measureTogether } from "./compare/together.mjs";
import { Lost, WORKLOADS } from "./compare/workloads.mjs";

const USAGE =
  "Usage: npm run bench -- [--rounds 4] [--only worker,idiomatic] [--workloads paced,short] [--instructions] [--json FILE]\n" +
  "       npm run bench -- --together identity,worker,idiomatic [--json FILE]";

/** Processes of each contestant, one after the other: no two of one program cost quite the same. */
const PROCESSES = 3;

const options = readOptions();
const upstream = new Upstream();
const upstreamUrl = await upstream.start();
const chosen = CONTESTANTS.filter(({ name }) => options.only?.includes(name) ?? true);
const about = machine();
if (keepLoadAway()) about.cores += ", one of them for whoever is measured";
console.log(`${Object.values(about).join(", ")}\n`);
if (options.together) await compareTogether();

let subjects = [];
/** Figures by workload, then by contestant. @type {Record<string, Record<string, number[]>>} */
const figures = {};
const workloads = WORKLOADS.filter(({ name }) => options.workloads?.includes(name) ?? true);
const lasting = workloads.filter(({ fresh }) => !fresh);
const processes = lasting.length > 0 ? PROCESSES : 1;
for (let number = 1; number <= processes; number += 1) {
  subjects = await startAll(number === 1 ? chosen : subjects);
  for (const workload of lasting) {
    console.log(`${workload.name}, process ${number} of ${processes}: ${workload.title}`);
    await measure(workload);
  }
  for (const subject of subjects) await stop(subject);
}
for (const workload of workloads.filter(({ fresh }) => fresh)) {
  console.log(`${workload.name}: ${workload.title}`);
  await measureFresh(workload);
}
if (!options.workloads || options.workloads.includes("cold")) {
  console.log("cold: a process started, to its first answer");
  shareCores();
  const rounds = PROCESSES * options.rounds;
  figures.cold = await coldStarts(subjects, upstreamUrl, rounds);
  figures.instantiation = { worker: await instantiation(rounds) };
}
if (options.instructions) await countInstructions();
figures.size = { worker: [gzippedBytes() / 1000] };

const titles = Object.fromEntries(subjects.map(({ name, title }) => [name, title]));
const targets = judge(figures);
printTable(figures, titles);
printTargets(targets);
await finish({ about, figures, targets });

async function finish(result) {
  writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  console.log(`\nAll figures: ${options.json}`);
  upstream.stop();
  await stopAll();
  process.exit(0);
}

/** Instead of the table: few contestants, compared more closely than one after the other. */
async function compareTogether() {
  console.log("paced, all at the same time: CPU per token, µs; and to the first one's, ×");
  const compared = CONTESTANTS.filter(({ name }) => options.together.includes(name));
  const together = await measureTogether(compared, upstreamUrl);
  for (const { name, microseconds, ratio, error } of together) {
    const cost = microseconds.toFixed(1).padStart(6);
    console.log(`${name.padEnd(12)} ${cost}   ${ratio.toFixed(3)} ± ${error.toFixed(3)}`);
  }
  await finish({ about, together });
}

/** Starts contestants, and leaves out those that are missing. */
async function startAll(contestants) {
  const started = [];
  for (const contestant of contestants) {
    const subject = await start(contestant);
    if (subject) started.push(subject);
  }
  return started;
}

async function stop({ running, clients }) {
  clients.stop();
  await running.stop();
}

/** Starts a contestant and sees that it answers right, byte for byte, before anything is timed. */
async function start(contestant) {
  try {
    const running = await contestant.start(upstreamUrl);
    giveCore(running);
    const clients = new Clients({ port: running.port, passes: contestant.passes });
    await clients.askMany(1, 1);
    await clients.askMany(2, 30, 1);
    await clients.askMany(1, 700);
    return { ...contestant, running, clients };
  } catch (error) {
    if (error instanceof Missing) {
      console.log(`${contestant.title} is left out: ${error.message}`);
      return undefined;
    }
    throw new Error(`${contestant.title} does not take part: ${error.message}`, { cause: error });
  }
}

/**
 * Rounds of one after the other, so that whatever else the machine does meets all of them; ratios are of one round. The
 * order stays the same, so that each one has rested as long as the others: what ran just before is cheaper.
 */
async function measure(workload) {
  await measureRound(workload);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [name, readings] of Object.entries(await measureRound(workload))) {
      record(workload.name, name, readings);
    }
  }
}

/** A round's readings by contestant. What can be cut into slices changes hands after each of them. */
async function measureRound({ measure, slices = 1 }) {
  const taken = Object.fromEntries(subjects.map(({ name }) => [name, []]));
  for (let slice = 0; slice < slices; slice += 1) {
    for (const subject of subjects) taken[subject.name].push(...(await measure(subject)));
  }
  if (slices === 1) return taken;
  return Object.fromEntries(
    Object.entries(taken).map(([name, readings]) => [name, [mean(readings)]]),
  );
}

async function measureFresh(workload) {
  for (const contestant of subjects) {
    const subject = await start(contestant);
    try {
      record(workload.name, contestant.name, await workload.measure(subject));
      record("lost", contestant.name, [0]);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      record("lost", contestant.name, [error.count]);
      console.log(`  ${contestant.title}: ${error.message}`);
    }
    await stop(subject);
  }
}

function record(workload, contestant, readings) {
  figures[workload] ??= {};
  figures[workload][contestant] ??= [];
  figures[workload][contestant].push(...readings);
}

function mean(all) {
  return all.reduce((sum, each) => sum + each, 0) / all.length;
}

async function countInstructions() {
  if (!canCount()) return console.log("instructions: left out, there is no valgrind");
  console.log(
    "instructions: a token that comes alone, outside the kernel (a minute and a half each)",
  );
  figures.instructions = {};
  for (const contestant of subjects.filter(({ name }) => name !== "python")) {
    figures.instructions[contestant.name] = [await instructionsPerToken(contestant, upstreamUrl)];
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: "string", default: "4" },
        only: { type: "string" },
        workloads: { type: "string" },
        instructions: { type: "boolean", default: false },
        together: { type: "string" },
        json: { type: "string", default: join(ROOT, "build", "bench.json") },
      },
    });
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1) throw new Error("rounds is a number from 1 on.");
    const list = (text, known) => {
      const named = text?.split(",");
      const unknown = named?.find((each) => !known.some(({ name }) => name === each));
      if (unknown !== undefined) throw new Error(`There is no '${unknown}' to measure.`);
      return named;
    };
    return {
      ...values,
      rounds,
      only: list(values.only, CONTESTANTS),
      workloads: list(values.workloads, [...WORKLOADS, { name: "cold" }]),
      together: list(values.together, CONTESTANTS),
    };
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}
