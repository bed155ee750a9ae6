import { existsSync, readdirSync } from "node:fs";
import { debianToolchain, installDebianToolchain, mayInstallOnDebian } from "./debian.mjs";
import { say } from "./main.mjs";
import { connectionFailure, download, unreachable } from "./network.mjs";
import { pathWith } from "./paths.mjs";
import { Failure, isStopping, run, tryOutput } from "./process.mjs";
import { step } from "./progress.mjs";

export const WASM_TARGET = "wasm32-unknown-unknown";

/** Where rustup downloads from. */
const RUSTUP_SERVER = process.env.RUSTUP_DIST_SERVER || "https://static.rust-lang.org";

/**
 * What compiles the worker.
 * @typedef {object} Toolchain
 * @property {string} path the `PATH` on which its `cargo` and `rustc` come first
 * @property {string} targetDir its own target directory: two compilers that share one rebuild each other's work
 */

/** Makes sure that there is a cargo. */
export async function ensureCargo() {
  if (await tryOutput("cargo", ["--version"])) return;
  throw new Failure(
    "Rust is not installed, or cargo is not on PATH. Install it from https://rustup.rs and try again.",
  );
}

/**
 * Downloads the crates of Cargo.lock, unless they are there.
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function ensureCrates(env) {
  const sign = /Download|Blocking/;
  await download("cargo", ["fetch", "--locked"], { server: "index.crates.io", sign, env });
}

/** Makes sure that there are `cargo fmt` and `cargo clippy`. */
export async function ensureRustComponents() {
  for (const [command, component] of [
    ["fmt", "rustfmt"],
    ["clippy", "clippy"],
  ]) {
    if (await tryOutput("cargo", [command, "--version"])) continue;
    try {
      await step(`Set-up: adding ${component} to the Rust toolchain (a few seconds)`, () =>
        rustup(["component", "add", component]),
      );
    } catch (cause) {
      throw new Failure(
        `The tests need ${component}. Run 'rustup component add ${component}' and try again.`,
        { cause },
      );
    }
  }
}

/** Whether the Rust on `PATH` can compile to wasm. */
export async function hasWasmTarget() {
  const folder = await tryOutput("rustc", ["--print", "target-libdir", "--target", WASM_TARGET]);
  return Boolean(
    folder &&
      existsSync(folder) &&
      readdirSync(folder).some((name) => /^libstd-.*\.rlib$/.test(name)),
  );
}

/**
 * A toolchain that compiles to wasm, installing what is missing.
 * @returns {Promise<Toolchain>}
 */
export async function ensureWasmToolchain() {
  await ensureCargo();
  const usual = { path: pathWith(), targetDir: "target/worker" };
  if (await hasWasmTarget()) return usual;
  const debian = await debianToolchain();
  if (debian) return debian;

  const add = ["target", "add", WASM_TARGET];
  const failure = await step(
    "Set-up: adding Rust's wasm32 target with rustup (about 10 seconds)",
    () => rustup(add).catch((error) => error),
  );
  if (!failure && (await hasWasmTarget())) return usual;
  if (mayInstallOnDebian() && !isStopping()) {
    const { host } = new URL(RUSTUP_SERVER);
    say(`Set-up: rustup could not add it from ${host}; using Debian's packages`);
    return installDebianToolchain();
  }
  throw new Failure(
    `Rust's ${WASM_TARGET} target is missing. With rustup, run 'rustup ${add.join(" ")}'. Without, install Rust from ` +
      "https://rustup.rs, or your system's package of Rust's standard library for wasm32.",
    { cause: failure },
  );
}

/** Runs rustup, which by itself would try to reach its server for minutes. */
async function rustup(args) {
  const reason = await connectionFailure(RUSTUP_SERVER);
  if (reason) throw unreachable(new URL(RUSTUP_SERVER).host, reason);
  await run("rustup", args, { env: { RUST_BACKTRACE: "0" }, quiet: true, timeoutMs: 300_000 });
}
