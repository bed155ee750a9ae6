import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathWith } from "./paths.mjs";
import { run, tryOutput } from "./process.mjs";
import { step } from "./progress.mjs";

const PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];
const TARGET = "wasm32-unknown-unknown";
const CRATE = "std_for_wasm";

/** Debian's compiler comes without a standard library for wasm: one is built, of this compiler. */
const STAMP = "built-by";

const toolchain = { path: pathWith("/usr/bin"), targetDir: "target/worker-debian" };
const env = { PATH: toolchain.path };

/** Whether this is a machine on which Debian's packages may be installed. */
export function mayInstallOnDebian() {
  return (
    existsSync("/etc/debian_version") && existsSync("/usr/bin/apt-get") && process.getuid?.() === 0
  );
}

/**
 * Debian's compiler with its standard library for wasm, when both are installed and belong together.
 * @returns {Promise<import("./rust.mjs").Toolchain | undefined>}
 */
export async function debianToolchain() {
  if (!existsSync("/usr/bin/rustc") || !existsSync("/usr/bin/cargo")) return undefined;
  const stamp = join(await libdir(), STAMP);
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== (await compiler())) return undefined;
  return toolchain;
}

/**
 * Installs Debian's compiler and builds its standard library for wasm, each where it is missing.
 * @returns {Promise<import("./rust.mjs").Toolchain>}
 */
export async function installDebianToolchain() {
  if (!(await installed())) {
    await step("Set-up: installing Rust from Debian's packages (about 1 minute)", installPackages);
  }
  await step("Set-up: compiling Rust's standard library for wasm32 (about 1 minute)", buildStd);
  return toolchain;
}

async function installPackages() {
  const apt = { env: { DEBIAN_FRONTEND: "noninteractive" }, quiet: true };
  await run("apt-get", ["update"], apt);
  await run("apt-get", ["install", "--yes", "--no-install-recommends", ...PACKAGES], apt);
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
  const scratch = mkdtempSync(join(tmpdir(), "std-for-wasm-"));
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
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Moves the libraries to where the compiler looks in one step, so that no half of them is ever used. */
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
