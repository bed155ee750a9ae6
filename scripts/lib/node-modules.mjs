import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PATIENCE_MS, unreachable, unreachableBecause } from "./network.mjs";
import { BIN, PATH_OUTSIDE, ROOT } from "./paths.mjs";
import { Failure, run } from "./process.mjs";
import { step } from "./progress.mjs";

const STAMP = join(ROOT, "node_modules", ".installed-from");

const CLEAN_INSTALL = [
  "ci",
  "--include=dev",
  "--include=optional",
  "--no-audit",
  "--no-fund",
  "--loglevel=error",
];

/** Npm deletes the Node in the node modules, so it must not run on it. */
const OUTSIDE = { env: { PATH: PATH_OUTSIDE }, quiet: true };

/** Installs the node modules unless they match the lock file already. */
export async function ensureNodeModules() {
  const wanted = createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .digest("hex");
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted) return;
  await step("Set-up: installing the node modules (about 30 seconds)", install);
  modernNode();
  writeFileSync(STAMP, wanted);
}

/** Without its registry, npm would try for minutes. Everything may be in its cache, though. */
async function install() {
  const reason = await registryFailure();
  try {
    await run("npm", reason ? [...CLEAN_INSTALL, "--offline"] : CLEAN_INSTALL, OUTSIDE);
  } catch (error) {
    throw reason ? unreachable(...reason) : error;
  }
}

/** @returns {Promise<[server: string, reason: string] | undefined>} nothing when the registry answers */
async function registryFailure() {
  try {
    await run("npm", ["ping", "--fetch-retries=0"], { ...OUTSIDE, timeoutMs: PATIENCE_MS });
  } catch (error) {
    const reason = error instanceof Failure && unreachableBecause(error);
    // Some registries answer, but do not know this request.
    if (!reason) return;
    const [, server = "The npm registry"] = error.output.match(/https?:\/\/([^/\s]+)/) ?? [];
    return [server, reason];
  }
}

/**
 * The Node that runs wrangler and the tests: the one in the node modules. Where npm has none for this kind of machine,
 * it is the one that runs this script, if it is recent enough.
 */
export function modernNode() {
  const bundled = join(BIN, "node");
  if (existsSync(bundled)) return bundled;
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 12)) return process.execPath;
  throw new Failure(
    `wrangler needs Node 22.12 or newer, and this is Node ${process.versions.node}. npm has no newer one for this ` +
      `kind of machine (${process.platform} ${process.arch}): install it from https://nodejs.org and try again.`,
  );
}
