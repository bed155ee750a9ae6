import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { download, unreachable } from "./network.mjs";
import { pathWith } from "./paths.mjs";
import { run, tryOutput } from "./process.mjs";
import { step } from "./progress.mjs";
import { makeTemporary, removeTemporary } from "./temporary.mjs";

const PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];
const TARGET = "wasm32-unknown-unknown";
const CRATE = "std_for_wasm";

/** Beside the standard library for wasm, which Debian does not have: the compiler that built it. */
const STAMP = "built-by";

const toolchain = { path: pathWith("/usr/bin"), targetDir: "target/worker-debian" };
const env = { PATH: toolchain.path };

/** Whether this is Debian and we may install its packages. */
export function mayInstallOnDebian() {
  return (
    existsSync("/etc/debian_version") && existsSync("/usr/bin/apt-get") && process.getuid?.() === 0
  );
}

/**
 * Debian's compiler, when it is installed and there is a standard library for wasm that it built.
 * @returns {Promise<import("./rust.mjs").Toolchain | undefined>}
 */
export async function debianToolchain() {
  if (!existsSync("/usr/bin/rustc") || !existsSync("/usr/bin/cargo")) return undefined;
  const stamp = join(await libdir(), STAMP);
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== (await compiler())) return undefined;
  return toolchain;
}

/**
 * Installs Debian's compiler, unless it is there, and builds the standard library for wasm with it.
 * @returns {Promise<import("./rust.mjs").Toolchain>}
 */
export async function installDebianToolchain() {
  if (!(await installed())) {
    await step("Set-up: installing Rust from Debian's packages (about 1 minute)", () =>
      aptInstall(PACKAGES),
    );
  }
  await step("Set-up: compiling Rust's standard library for wasm32 (about 1 minute)", buildStd);
  return toolchain;
}

/**
 * Installs packages of Debian.
 * @param {string[]} names
 */
export async function aptInstall(names) {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const server = "Debian's package server";
  const answered = /^(Hit|Get):/m;
  const lists = await download("apt-get", ["update"], { server, sign: answered, env });
  // Without any server, apt keeps its old lists and exits with 0.
  if (!answered.test(lists)) throw unreachable(server, "apt-get update could fetch nothing");
  // An installation that was interrupted has to be completed first.
  await run("dpkg", ["--configure", "-a"], { env, quiet: true });
  const install = ["install", "--yes", "--no-install-recommends"];
  await run("apt-get", [...install, ...names], { env, quiet: true });
}

async function installed() {
  const states = await tryOutput("dpkg-query", [
    "--show",
    `--showformat=\${db:Status-Status}\n`,
    ...PACKAGES,
  ]);
  return states?.split("\n").filter((state) => state === "installed").length === PACKAGES.length;
}

async function buildStd() {
  const scratch = makeTemporary("std-for-wasm-");
  try {
    mkdirSync(join(scratch, "src"));
    writeFileSync(join(scratch, "src", "lib.rs"), "");
    writeFileSync(
      join(scratch, "Cargo.toml"),
      `[package]\nname = "${CRATE}"\nversion = "0.0.0"\nedition = "2024"\n`,
    );
    await run(
      "cargo",
      ["build", "--release", "--target", TARGET, "-Z", "build-std=std,panic_abort,proc_macro"],
      {
        cwd: scratch,
        env: { ...env, RUSTC_BOOTSTRAP: "1", CARGO_TARGET_DIR: join(scratch, "target") },
        quiet: true,
      },
    );
    await publish(join(scratch, "target", TARGET, "release", "deps"));
  } finally {
    removeTemporary(scratch);
  }
}

/** Puts the libraries where the compiler looks for them, all in one step: a part of them must never be used. */
async function publish(built) {
  const target = await libdir();
  const partial = `${target}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  for (const name of readdirSync(built)) {
    if (name.endsWith(".rlib") && !name.startsWith(`lib${CRATE}-`))
      copyFileSync(join(built, name), join(partial, name));
  }
  writeFileSync(join(partial, STAMP), await compiler());
  rmSync(target, { recursive: true, force: true });
  mkdirSync(dirname(target), { recursive: true });
  renameSync(partial, target);
}

async function libdir() {
  return run("/usr/bin/rustc", ["--print", "target-libdir", "--target", TARGET], {
    env,
    quiet: true,
  }).then((text) => text.trim());
}

async function compiler() {
  return run("/usr/bin/rustc", ["--version", "--verbose"], { env, quiet: true });
}
