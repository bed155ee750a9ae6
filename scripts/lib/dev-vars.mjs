import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { ROOT } from "./paths.mjs";

/**
 * A variable as `wrangler dev` will give it to the worker: `.dev.vars`, else `[vars]` of wrangler.toml.
 * Whitespace only counts as unset.
 * @param {string} name
 * @returns {string | undefined}
 */
export function devVar(name) {
  return ownVar(name) ?? (wranglerVars()[name]?.trim() || undefined);
}

/**
 * A variable as `.dev.vars` has it.
 * @param {string} name
 * @returns {string | undefined}
 */
export function ownVar(name) {
  return parseEnv(read(".dev.vars"))[name]?.trim() || undefined;
}

/** The `NAME = "value"` lines of wrangler.toml, which are all that its `[vars]` has. */
function wranglerVars() {
  const lines = read("wrangler.toml").matchAll(/^([A-Z_]+) *= *"(.*)"/gm);
  return Object.fromEntries(Array.from(lines, ([, name, value]) => [name, value]));
}

function read(name) {
  const path = join(ROOT, name);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
