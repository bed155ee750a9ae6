import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { ROOT } from "./paths.mjs";
import { wranglerVars } from "./wrangler-toml.mjs";

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
  const path = join(ROOT, ".dev.vars");
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return parseEnv(text)[name]?.trim() || undefined;
}
