import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./paths.mjs";

const require = createRequire(import.meta.url);

/**
 * The deployment's configuration.
 * @returns {{ compatibility_date: string, vars?: Record<string, unknown>, assets?: { directory?: string } }}
 */
export function wranglerConfig() {
  // The parser is there only once the node modules are.
  const { parse } = require("smol-toml");
  return parse(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
}

/**
 * Its `[vars]` as the texts that the worker makes of them; it makes none of tables and lists.
 * @returns {Record<string, string>}
 */
export function wranglerVars() {
  const vars = Object.entries(wranglerConfig().vars ?? {}).filter(
    ([, value]) => typeof value !== "object",
  );
  return Object.fromEntries(vars.map(([name, value]) => [name, String(value)]));
}
