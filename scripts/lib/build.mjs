import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { hashOf } from "./hash.mjs";
import { kib, say } from "./main.mjs";
import { ensureNodeModules } from "./node-modules.mjs";
import { buildPages } from "./pages.mjs";
import { ROOT } from "./paths.mjs";
import { Failure, run } from "./process.mjs";
import { step } from "./progress.mjs";
import { ensureCrates, ensureWasmToolchain } from "./rust.mjs";
import { shrink } from "./shrink.mjs";
import { ensureBuildTools } from "./tools.mjs";
import { voice } from "./voice.mjs";

const MODULES = ["index.js", "index_bg.wasm"];
const BUILD = join(ROOT, "build");
const STAMP = join(BUILD, ".built-from");

/** What the build is made from; a folder stands for all files in it. */
const INPUTS = [
  "Cargo.toml",
  "Cargo.lock",
  "src",
  "package-lock.json",
  "scripts/lib/build.mjs",
  "scripts/lib/shrink.mjs",
];

/** Builds the worker into `build/` and the pages into `build/public/`, each unless it is up to date. */
export async function build() {
  await ensureNodeModules();
  await buildWorker();
  await buildPages();
}

async function buildWorker() {
  const inputs = hashOf(INPUTS);
  if (isBuiltFrom(inputs)) return say(`${size()} (up to date)`);

  const toolchain = await ensureWasmToolchain();
  const { workerBuild, env } = await ensureBuildTools();
  rmSync(STAMP, { force: true });
  await step("Building the worker (about 1 minute the first time)", () =>
    compile(workerBuild, {
      ...env,
      PATH: toolchain.path,
      CARGO_TARGET_DIR: join(ROOT, toolchain.targetDir),
      CARGO_ENCODED_RUSTFLAGS: compilerFlags().join("\x1f"),
      CARGO_TERM_COLOR: voice().isTTY ? "always" : "never",
      // The compiler's messages say what is wrong; worker-build's own stack trace does not.
      RUST_BACKTRACE: "0",
      // JavaScript is minified at the end.
      NO_MINIFY: "1",
    }),
  );
  writeFileSync(STAMP, inputs);
  say(size());
}

/** They make the build smaller by 3 KB gzipped, and the same on every machine. */
function compilerFlags() {
  const cargoHome = process.env.CARGO_HOME || join(homedir(), ".cargo");
  return [
    // A loop instead of SHA-256's 64 unrolled rounds: access tokens are short.
    "--cfg",
    'sha2_backend_soft="compact"',
    // A panic names its file, which must not tell whose machine compiled it.
    `--remap-path-prefix=${join(cargoHome, "registry", "src")}=crates`,
    `--remap-path-prefix=${ROOT}=.`,
  ];
}

async function compile(workerBuild, env) {
  await ensureCrates(env);
  try {
    await run(workerBuild, ["--release", "--locked"], { env, quiet: true });
    await shrink(BUILD, env);
  } catch (cause) {
    throw new Failure("The worker could not be built; the lines above say why.", { cause });
  }
}

function isBuiltFrom(inputs) {
  const complete = MODULES.every((name) => existsSync(join(BUILD, name))) && existsSync(STAMP);
  return complete && readFileSync(STAMP, "utf8") === inputs;
}

/**
 * The size of the build. A deployment is a few hundred bytes larger, because wrangler bundles index.js once more:
 * `npm run deploy -- --dry-run` tells its size.
 */
function size() {
  const modules = MODULES.map((name) => readFileSync(join(BUILD, name)));
  return `build/: ${kib(gzipSync(Buffer.concat(modules), { level: 9 }).length)} gzipped`;
}
