import { existsSync, readFileSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { download } from "./network.mjs";
import { BIN, CACHE, ROOT } from "./paths.mjs";
import { Failure } from "./process.mjs";
import { step } from "./progress.mjs";

/** Without optimisation, the tools compile in half the time, and building the worker takes a fraction of a second longer. */
const UNOPTIMISED = { CARGO_PROFILE_RELEASE_OPT_LEVEL: "0" };

/**
 * The tools of the build. Those that are missing are installed.
 * @returns {Promise<{ workerBuild: string, env: NodeJS.ProcessEnv }>} the path of `worker-build`, and the environment
 *   that tells it where the others are
 */
export async function ensureBuildTools() {
  // worker-build is released together with the worker crate, under the same version.
  const version = lockedVersion("worker");
  const workerBuild = await cargoTool("worker-build", "worker-build", version, {
    time: "1½ minutes",
  });
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

/**
 * A program that cargo compiles, once per version on this machine.
 * @param {string} crate
 * @param {string} program
 * @param {string} version
 * @param {{ features?: string[], time?: string }} [options] what to tell cargo of the crate's features, and how long
 *   compiling takes
 * @returns {Promise<string>} its path
 */
export async function cargoTool(
  crate,
  program,
  version,
  { features = [], time = "some minutes" } = {},
) {
  const root = join(CACHE, `${program}-${version}`);
  const path = join(root, "bin", program);
  if (existsSync(path)) return path;
  const folder = join(ROOT, "target", "tools", program);
  const which = [crate, "--version", version, "--bin", program, "--root", root];
  const args = ["install", "--locked", ...which, ...features];
  try {
    await step(`Set-up: compiling ${program} ${version} (about ${time}, once)`, () =>
      download("cargo", args, {
        server: "index.crates.io",
        sign: /^ *(Installing|Blocking)/m,
        // Work that is interrupted goes on from here the next time.
        env: { ...UNOPTIMISED, CARGO_TARGET_DIR: folder },
      }),
    );
  } catch (cause) {
    throw new Failure(`${program} ${version} could not be installed.`, { cause });
  }
  rmSync(folder, { recursive: true, force: true });
  return path;
}

/**
 * The environment that tells worker-build where wasm-bindgen is. It is empty where worker-build can download it by itself.
 * Where it cannot, it would try for half a minute, so wasm-bindgen is compiled.
 */
async function wasmBindgen(version) {
  if (process.env.WASM_BINDGEN_BIN) return {};
  const own = join(CACHE, `wasm-bindgen-${version}`, "bin", "wasm-bindgen");
  const platform = releasePlatform();
  if (platform && !existsSync(own)) {
    const downloaded = join(workerBuildCache(), `wasm-bindgen-${platform}-${version}`);
    if (existsSync(join(downloaded, "wasm-bindgen"))) return {};
    if (await canDownload(version, platform)) return {};
  }
  // Its default features are for its test runner, which downloads browsers' drivers.
  const options = { features: ["--no-default-features"], time: "1 minute" };
  return {
    WASM_BINDGEN_BIN: await cargoTool("wasm-bindgen-cli", "wasm-bindgen", version, options),
  };
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
