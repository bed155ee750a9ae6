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
  "Usage: npm run bench -- [--rounds 15] [--only worker,idiomatic] [--workloads paced,short] [--instructions] [--json FILE]\n" +
  "       npm run bench -- --together identity,worker,idiomatic [--json FILE]";

/** A process of its own for each measurement takes its time, and tells enough. */
const FRESH_ROUNDS = 2;

const options = readOptions();
const upstream = new Upstream();
const upstreamUrl = await upstream.start();
const chosen = CONTESTANTS.filter(({ name }) => options.only?.includes(name) ?? true);
const about = machine();
if (keepLoadAway()) about.cores += ", one of them for whoever is measured";
console.log(`${Object.values(about).join(", ")}\n`);
if (options.together) await compareTogether();

const subjects = [];
for (const contestant of chosen) {
  const subject = await start(contestant);
  if (subject) subjects.push(subject);
}
/** Figures by workload, then by contestant. @type {Record<string, Record<string, number[]>>} */
const figures = {};
for (const workload of WORKLOADS) {
  if (options.workloads && !options.workloads.includes(workload.name)) continue;
  console.log(`${workload.name}: ${workload.title}`);
  figures[workload.name] = workload.fresh ? await measureFresh(workload) : await measure(workload);
}
for (const { running } of subjects) await running.stop();
if (!options.workloads || options.workloads.includes("cold")) {
  console.log("cold: a process started, to its first answer");
  shareCores();
  figures.cold = await coldStarts(subjects, upstreamUrl, options.rounds);
  figures.instantiation = { worker: await instantiation(options.rounds) };
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
  const measured = Object.fromEntries(subjects.map(({ name }) => [name, []]));
  for (const subject of subjects) await workload.measure(subject);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const subject of subjects) {
      measured[subject.name].push(...(await workload.measure(subject)));
    }
  }
  return measured;
}

async function measureFresh(workload) {
  const measured = Object.fromEntries(subjects.map(({ name }) => [name, []]));
  figures.lost = Object.fromEntries(subjects.map(({ name }) => [name, []]));
  for (let round = 0; round < FRESH_ROUNDS; round += 1) {
    for (const contestant of subjects) {
      const subject = await start(contestant);
      try {
        measured[contestant.name].push(...(await workload.measure(subject)));
        figures.lost[contestant.name].push(0);
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
        figures.lost[contestant.name].push(error.count);
        console.log(`  ${contestant.title}: ${error.message}`);
      }
      subject.clients.stop();
      await subject.running.stop();
    }
  }
  return measured;
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
        rounds: { type: "string", default: "15" },
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
