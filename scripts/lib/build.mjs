import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { hashOf } from "./hash.mjs";
import { kib, say } from "./main.mjs";
import { ensureNodeModules, modernNode } from "./node-modules.mjs";
import { buildPages } from "./pages.mjs";
import { BIN, ROOT } from "./paths.mjs";
import { Failure, run } from "./process.mjs";
import { ensureWasmToolchain } from "./rust.mjs";
import { ensureBuildTools } from "./tools.mjs";

const MODULES = ["index.js", "index_bg.wasm"];
const BUILD = join(ROOT, "build");
const STAMP = join(BUILD, ".built-from");

/** Everything that goes into the build: folders stand for all files in them. */
const INPUTS = ["Cargo.toml", "Cargo.lock", "src", "package-lock.json", "scripts/lib/build.mjs"];

/** Builds the worker into `build/` and the pages into `build/public/`, each unless it is up to date. */
export async function build() {
  await ensureNodeModules();
  await buildWorker();
  await buildPages();
}

async function buildWorker() {
  const inputs = hashOf(INPUTS);
  if (isBuiltFrom(inputs)) return say(`${sizes()} (up to date)`);

  const toolchain = await ensureWasmToolchain();
  const { workerBuild, env } = await ensureBuildTools();
  say("Building the worker (two to three minutes the first time)");
  rmSync(STAMP, { force: true });
  await compile(workerBuild, {
    ...env,
    PATH: toolchain.path,
    CARGO_TARGET_DIR: join(ROOT, toolchain.targetDir),
    CARGO_ENCODED_RUSTFLAGS: compilerFlags().join("\x1f"),
    // The compiler's messages say what is wrong; worker-build's own stack does not.
    RUST_BACKTRACE: "0",
  });
  writeFileSync(STAMP, inputs);
  say(sizes());
}

/** What makes the deployment smaller by 3 KB gzipped, and the same on every machine. */
function compilerFlags() {
  const cargoHome = process.env.CARGO_HOME || join(homedir(), ".cargo");
  return [
    // A loop in place of the 64 rounds of SHA-256 spelt out: access tokens are short.
    "--cfg",
    'sha2_backend_soft="compact"',
    // A panic names its file, which need not tell whose machine compiled it.
    `--remap-path-prefix=${join(cargoHome, "registry", "src")}=crates`,
    `--remap-path-prefix=${ROOT}=.`,
  ];
}

async function compile(workerBuild, env) {
  try {
    await run(workerBuild, ["--release", "--locked"], { env });
    await shrink(join(BUILD, "index_bg.wasm"), env);
  } catch (error) {
    throw new Failure(`${error.message}\nThe worker could not be built; the lines above say why.`);
  }
}

/** Exports of the bindings for what this worker does not use: R2, images, containers, streams made in Rust. */
const UNUSED =
  /^(__wbg_(get_|set_)?)?(containerstartupoptions|minifyconfig|r2range|intounderlying)/;

/**
 * Leaves out what worker-build keeps: the names of functions, a tenth of the size, and unused exports with all that only
 * they reach, 2 KB gzipped. A panic still tells its file and line.
 */
async function shrink(wasm, env) {
  const names = await exportsOf(wasm);
  const roots = names.filter((name) => !UNUSED.test(name)).map((name) => `export ${name}`);
  const graph = [
    { name: "root", root: true, reaches: roots },
    ...names.map((name) => ({ name: `export ${name}`, export: name })),
  ];
  const file = join(BUILD, "exports.json");
  writeFileSync(file, JSON.stringify(graph));
  const tool = (name, args) =>
    run(join(BIN, name), [wasm, ...args, "-o", wasm], { env, quiet: true });
  await tool("wasm-metadce", ["--graph-file", file]);
  await tool("wasm-opt", ["-Os", "--strip-debug", "--strip-producers"]);
  rmSync(file);
}

/** The names of a module's exports. The Node that runs this may be too old to read it. @returns {Promise<string[]>} */
async function exportsOf(wasm) {
  const source = `
    const module = new WebAssembly.Module(require("fs").readFileSync(process.argv[1]));
    console.log(JSON.stringify(WebAssembly.Module.exports(module).map(({ name }) => name)));`;
  return JSON.parse(await run(modernNode(), ["--eval", source, wasm], { quiet: true }));
}

function isBuiltFrom(inputs) {
  const complete = MODULES.every((name) => existsSync(join(BUILD, name))) && existsSync(STAMP);
  return complete && readFileSync(STAMP, "utf8") === inputs;
}

/**
 * The sizes of the modules, and of all together when compressed. A deployment is a few hundred bytes larger, for wrangler
 * bundles index.js once more: `npm run deploy -- --dry-run` tells its size.
 */
function sizes() {
  const modules = MODULES.map((name) => readFileSync(join(BUILD, name)));
  const each = MODULES.map((name, index) => `${name} ${kib(modules[index].length)}`).join(", ");
  return `build/: ${each}; ${kib(gzipSync(Buffer.concat(modules), { level: 9 }).length)} gzipped`;
}
