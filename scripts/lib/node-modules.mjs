import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

/** Installs the node modules unless they are those of the lock file already. */
export async function ensureNodeModules() {
  const wanted = createHash("sha256")
    .update(readFileSync(join(ROOT, "package-lock.json")))
    .digest("hex");
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted) return;
  await step(
    "Set-up: installing the node modules, a recent Node among them (about 30 seconds)",
    () => run("npm", CLEAN_INSTALL, { env: { PATH: PATH_OUTSIDE }, quiet: true }),
  );
  modernNode();
  writeFileSync(STAMP, wanted);
}

/**
 * The Node that runs wrangler and the worker tests: the one from the node modules, or on a
 * machine for which npm has none, the one that runs this script if it is recent enough.
 */
export function modernNode() {
  const bundled = join(BIN, "node");
  if (existsSync(bundled)) return bundled;
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 12)) return process.execPath;
  throw new Failure(
    `wrangler needs Node 22.12 or newer, and npm has none for this machine (${process.platform} ${process.arch}); ` +
      `this is Node ${process.versions.node}. Install a newer one from https://nodejs.org and try again.`,
  );
}
