import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { biome } from "./lib/biome.mjs";
import { build } from "./lib/build.mjs";
import { ensureChromium } from "./lib/chromium.mjs";
import { main, say } from "./lib/main.mjs";
import { ensureNodeModules, modernNode } from "./lib/node-modules.mjs";
import { pathWith, ROOT } from "./lib/paths.mjs";
import { Failure, run } from "./lib/process.mjs";
import {
  ensureCargo,
  ensureCrates,
  ensureRustComponents,
  hasWasmTarget,
  WASM_TARGET,
} from "./lib/rust.mjs";

const CORE = ["--locked", "--no-default-features"];
const DENY = ["--", "--deny", "warnings"];

/** Files that measure how long something takes: beside others, they would measure those, too. */
const MEASURING = ["frames.test.mjs", "long-answers.test.mjs"];

/** A file that takes longer hangs. */
const LONGEST_FILE_MS = 900_000;

/**
 * The steps of each suite, in order.
 * @type {Record<string, [name: string, work: (args: string[]) => Promise<unknown>][]>}
 */
const SUITES = {
  lint: [
    [
      "biome: format and lint of scripts, tests, pages and JSON",
      () => biome(["check", "--error-on-warnings"]),
    ],
    ["rustfmt", () => cargo(["fmt", "--check"])],
    ["clippy: core", () => cargo(["clippy", ...CORE, "--all-targets", ...DENY])],
    ["clippy: shell", clippyShell],
  ],
  core: [["core tests", (args) => cargo(["test", ...CORE, ...args])]],
  worker: [
    ["build", build],
    ["worker tests", (args) => nodeTests("worker", args)],
  ],
  scripts: [
    ["build", build],
    ["tests of the scripts", (args) => nodeTests("scripts", args)],
  ],
  browser: [
    ["build", build],
    ["Chromium", ensureChromium],
    ["browser tests", browserTests],
  ],
};

await main(() => test(process.argv.slice(2)));

/** @param {string[]} args a suite and its own arguments; nothing for all suites */
async function test([suite, ...args]) {
  const names = suite === undefined ? Object.keys(SUITES) : [suite];
  if (!names.every((name) => Object.hasOwn(SUITES, name))) {
    throw new Failure(
      `There is no suite '${suite}'. The suites are: ${Object.keys(SUITES).join(", ")}.`,
    );
  }
  await ensureNodeModules();
  await ensureCargo();
  await ensureCrates();
  if (names.includes("lint")) await ensureRustComponents();

  const passed = [];
  for (const [name, work] of names.flatMap((each) => SUITES[each])) {
    say(`\n── ${name}`);
    const started = performance.now();
    try {
      await work(args);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const before = passed.length === 0 ? "" : ` Passed before it: ${passed.join("; ")}.`;
      throw new Failure(`FAILED: ${name} (${since(started)}).${before}`, { cause: error });
    }
    passed.push(name);
    say(`── ${name}: ok, ${since(started)}`);
  }
  say(`\nPASSED: ${passed.join("; ")}.`);
}

function since(started) {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`;
}

function cargo(args) {
  return run("cargo", args);
}

/** The shell compiles on the host, too; where it can, clippy checks it for wasm, for which it is built. */
async function clippyShell() {
  const target = (await hasWasmTarget()) ? ["--target", WASM_TARGET] : [];
  await cargo(["clippy", "--locked", "--lib", ...target, ...DENY]);
}

async function browserTests(args) {
  if (args.length > 0) return nodeTests("browser", args);
  const folder = "tests/browser/";
  const files = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith(".test.mjs"));
  const isMeasuring = (name) => MEASURING.includes(name);
  const named = (names) => names.map((name) => folder + name);
  await nodeTests("browser", named(files.filter((name) => !isMeasuring(name))));
  await nodeTests("browser", ["--test-concurrency=1", ...named(files.filter(isMeasuring))]);
}

/** A test waits more than it works, so as many files run side by side as there are processors. */
function nodeTests(folder, args) {
  const files = args.length > 0 ? args : [`tests/${folder}/*.test.mjs`];
  const limits = [
    `--test-concurrency=${availableParallelism()}`,
    `--test-timeout=${LONGEST_FILE_MS}`,
  ];
  return run(modernNode(), ["--test", ...limits, ...files], { env: { PATH: pathWith() } });
}
