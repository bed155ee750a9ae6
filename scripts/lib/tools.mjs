import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { BIN, CACHE, ROOT } from "./paths.mjs";
import { Failure, run } from "./process.mjs";
import { step } from "./progress.mjs";

/**
 * The build's own tools, installing what is missing.
 * @returns {Promise<{ workerBuild: string, env: NodeJS.ProcessEnv }>}
 *   the program to run, and the environment that tells it where its helpers are
 */
export async function ensureBuildTools() {
  // worker-build is released together with the worker crate, under the same version.
  const workerBuild = await cargoTool("worker-build", "worker-build", lockedVersion("worker"));
  return {
    workerBuild,
    env: {
      ...(await wasmBindgen(lockedVersion("wasm-bindgen"))),
      WASM_OPT_BIN: join(BIN, "wasm-opt"),
      ESBUILD_BIN: join(BIN, "esbuild"),
    },
  };
}

/**
 * The version of a crate in Cargo.lock.
 * @param {string} crate
 */
export function lockedVersion(crate) {
  const lock = join(ROOT, "Cargo.lock");
  const text = existsSync(lock) ? readFileSync(lock, "utf8") : "";
  const found = text.match(new RegExp(`^name = "${crate}"\\nversion = "([^"]+)"`, "m"));
  if (found) return found[1];
  throw new Failure(
    `Cargo.lock has no ${crate}. Restore it with 'git checkout Cargo.lock' and try again.`,
  );
}

/** A program that cargo compiles into the cache, once per version. */
export async function cargoTool(crate, program, version) {
  const root = join(CACHE, `${program}-${version}`);
  const path = join(root, "bin", program);
  if (existsSync(path)) return path;
  const args = ["install", "--quiet", "--locked", crate, "--version", version, "--root", root];
  try {
    await step(
      `Set-up: compiling ${program} ${version} (about 3 minutes, once on this machine)`,
      () => run("cargo", args, { quiet: true }),
    );
  } catch (error) {
    throw new Failure(
      `${error.message}\n${program} ${version} could not be installed. ` +
        `'cargo install --locked ${crate} --version ${version} --root ${root}' shows why.`,
    );
  }
  return path;
}

/**
 * worker-build downloads the program itself where it can; it insists for half a minute where it
 * cannot, so that is found out first.
 */
async function wasmBindgen(version) {
  const own = join(CACHE, `wasm-bindgen-${version}`, "bin", "wasm-bindgen");
  if (process.env.WASM_BINDGEN_BIN) return {};
  if (existsSync(own)) return { WASM_BINDGEN_BIN: own };
  const platform = releasePlatform();
  if (platform) {
    const name = `wasm-bindgen-${platform}-${version}`;
    if (existsSync(join(workerBuildCache(), name, "wasm-bindgen"))) return {};
    if (await canDownload(version, platform)) return {};
  }
  return { WASM_BINDGEN_BIN: await cargoTool("wasm-bindgen-cli", "wasm-bindgen", version) };
}

async function canDownload(version, platform) {
  const release = `https://github.com/wasm-bindgen/wasm-bindgen/releases/download/${version}`;
  try {
    const answer = await fetch(`${release}/wasm-bindgen-${version}-${platform}.tar.gz`, {
      method: "HEAD",
      signal: AbortSignal.timeout(5000),
    });
    return answer.ok;
  } catch {
    return false;
  }
}

function releasePlatform() {
  return {
    "linux x64": "x86_64-unknown-linux-musl",
    "linux arm64": "aarch64-unknown-linux-musl",
    "darwin x64": "x86_64-apple-darwin",
    "darwin arm64": "aarch64-apple-darwin",
  }[`${process.platform} ${process.arch}`];
}

function workerBuildCache() {
  const cache =
    process.platform === "darwin"
      ? join(homedir(), "Library", "Caches")
      : process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "worker-build");
}
