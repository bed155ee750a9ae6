import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { main, say } from "./lib/main.mjs";
import { ROOT } from "./lib/paths.mjs";
import { Failure, launch, tryOutput } from "./lib/process.mjs";
import { ensureCargo } from "./lib/rust.mjs";
import { cargoTool } from "./lib/tools.mjs";

const CARGO_FUZZ = "0.13.2";
const FUZZ = "tests/fuzz";
const CORPUS = join(FUZZ, "corpus", "frames");

/** The APIs; the first byte of an input is an index into them. */
const APIS = ["chat_completions", "responses"];

/** The next bytes of an input: the lengths of its chunks, used in turn. */
const LENGTHS = [7, 0, 255, 1, 64, 3, 200];

/** libFuzzer prints a line for each of the thousands of inputs that it keeps. */
const NOISE =
  /^#\d+\s+(NEW|REDUCE)|^\s*NEW_FUNC|# Uses: \d+$|ecommended dictionary|^WARNING: Failed to find function/;

await main(() => fuzz(process.argv[2] ?? "600"));

/** @param {string} wanted a number of seconds, or the file of a finding to try again */
async function fuzz(wanted) {
  const isTime = /^[1-9]\d{0,5}$/.test(wanted);
  if (!isTime && !existsSync(join(ROOT, wanted))) {
    throw new Failure("Give a whole number of seconds, such as: npm run fuzz -- 600");
  }
  await ensureCargo();
  const toolchain = await nightly();
  const cargoFuzz = await cargoTool("cargo-fuzz", "cargo-fuzz", CARGO_FUZZ);
  plantSeeds();
  say(isTime ? `Fuzzing for ${wanted} s` : `Trying ${wanted}`);
  const options = ["--fuzz-dir", FUZZ, "--sanitizer", "none", "frames"];
  const inputs = isTime ? [CORPUS, "--", `-max_total_time=${wanted}`] : [wanted, "--"];
  const limits = ["-max_len=4096", "-timeout=10"];
  const look = [`-dict=${FUZZ}/frames.dict`, "-print_final_stats=1"];
  const child = launch(cargoFuzz, ["run", ...options, ...inputs, ...limits, ...look], {
    env: { ...process.env, ...toolchain },
    stdio: ["ignore", "inherit", "pipe"],
  });
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (!NOISE.test(line)) console.error(line);
  });
  const [code] = await once(child, "close");
  if (code !== 0) {
    throw new Failure(
      `Fuzzing could not start, or found something: see above. A finding is in ${FUZZ}/artifacts/frames, and ` +
        "'npm run fuzz -- FILE' tries it again.",
    );
  }
  say("Fuzzing: no finding");
}

/**
 * The environment in which cargo uses the nightly compiler, the only one that can measure which code an input reaches.
 * @returns {Promise<NodeJS.ProcessEnv>}
 */
async function nightly() {
  if (await tryOutput("rustup", ["run", "nightly", "rustc", "--version"])) {
    return { RUSTUP_TOOLCHAIN: "nightly" };
  }
  if ((await tryOutput("rustc", ["--version"]))?.includes("-nightly")) return {};
  throw new Failure(
    "Fuzzing needs Rust's nightly compiler. " +
      "Run 'rustup toolchain install nightly --profile minimal' and try again.",
  );
}

/** Gives the fuzzer the recorded streams to start from. */
function plantSeeds() {
  mkdirSync(join(ROOT, CORPUS), { recursive: true });
  for (const [choice, api] of APIS.entries()) {
    const folder = join(ROOT, "tests", "fixtures", api);
    for (const name of readdirSync(folder).filter((name) => name.endsWith(".upstream"))) {
      const stream = readFileSync(join(folder, name));
      const seed = Buffer.concat([Buffer.from([choice, ...LENGTHS]), stream]);
      writeFileSync(join(ROOT, CORPUS, `${api}-${name}`), seed);
    }
  }
}
