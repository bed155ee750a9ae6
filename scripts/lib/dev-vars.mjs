import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { variablesIn } from "./env-file.mjs";
import { ROOT } from "./paths.mjs";
import { wranglerVars } from "./wrangler-toml.mjs";

/**
 * The variables of `wrangler dev`. A blank one counts as unset.
 * @returns {{ own: Record<string, string>, all: Record<string, string> }} those in `.dev.vars`, and with them those of
 *   wrangler.toml that they do not override
 */
export function devVars() {
  const path = join(ROOT, ".dev.vars");
  const own = trimmed(existsSync(path) ? variablesIn(readFileSync(path, "utf8")) : {});
  return { own, all: { ...trimmed(wranglerVars()), ...own } };
}

function trimmed(vars) {
  return Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, value.trim()]));
}
