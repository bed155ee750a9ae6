import { existsSync, readdirSync } from "node:fs";
import { debianToolchain, installDebianToolchain, mayInstallOnDebian } from "./debian.mjs";
import { say } from "./main.mjs";
import { pathWith } from "./paths.mjs";
import { Failure, run, tryOutput } from "./process.mjs";
import { step } from "./progress.mjs";

export const WASM_TARGET = "wasm32-unknown-unknown";

/**
 * What compiles the worker.
 * @typedef {object} Toolchain
 * @property {string} path the `PATH` on which its `cargo` and `rustc` come first
 * @property {string} targetDir its own target directory: two compilers that share one rebuild each other's work
 */

/** @returns {Promise<void>} */
export async function ensureCargo() {
  if (await tryOutput("cargo", ["--version"])) return;
  throw new Failure(
    "Rust is not installed, or cargo is not on PATH. Install it from https://rustup.rs and try again.",
  );
}

/** Makes sure of `cargo fmt` and `cargo clippy`. */
export async function ensureRustComponents() {
  for (const [command, component] of [
    ["fmt", "rustfmt"],
    ["clippy", "clippy"],
  ]) {
    if (await tryOutput("cargo", [command, "--version"])) continue;
    try {
      await step(`Set-up: adding ${component} to the Rust toolchain (a few seconds)`, () =>
        run("rustup", ["component", "add", component], { quiet: true, timeoutMs: 300_000 }),
      );
    } catch (error) {
      throw new Failure(
        `${error.message}\nThe tests need ${component}, and it could not be installed. ` +
          `Run 'rustup component add ${component}' and try again.`,
      );
    }
  }
}

/** Whether the Rust toolchain on `PATH` can compile to wasm. */
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

  const refusal = await step(
    "Set-up: adding Rust's wasm32 target with rustup (about 10 seconds)",
    rustupRefusal,
  );
  if (!refusal && (await hasWasmTarget())) return usual;
  if (mayInstallOnDebian()) {
    say("Set-up: rustup could not add it; Debian's packages are used instead");
    return installDebianToolchain();
  }
  throw new Failure(
    `${refusal ? `${refusal}\n` : ""}Rust's ${WASM_TARGET} target is missing and could not be installed. ` +
      `With rustup: 'rustup target add ${WASM_TARGET}'. Without: install Rust from https://rustup.rs, ` +
      "or your system's package of Rust's standard library for wasm32.",
  );
}

/** @returns {Promise<string | undefined>} what rustup said when it could not add the target */
async function rustupRefusal() {
  try {
    await run("rustup", ["target", "add", WASM_TARGET], {
      env: { RUST_BACKTRACE: "0" },
      quiet: true,
      timeoutMs: 300_000,
    });
    return undefined;
  } catch (error) {
    return error.message;
  }
}
