import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./paths.mjs";

const require = createRequire(import.meta.url);

/**
 * The deployment's configuration.
 * @param {string} [path]
 * @returns {{ compatibility_date: string, name: string, vars?: Record<string, unknown>, assets?: { directory?: string },
 *   env?: Record<string, { vars?: Record<string, unknown> }> }}
 */
export function wranglerConfig(path = join(ROOT, "wrangler.toml")) {
  // The parser is there only once the node modules are.
  const { parse } = require("smol-toml");
  return parse(readFileSync(path, "utf8"));
}

/**
 * Its `[vars]` as the texts that the worker makes of them; it makes none of tables and lists.
 * @param {{ config?: string, env?: string }} [options] the file, and whose they are instead of the usual ones:
 *   `[env.NAME.vars]`
 * @returns {Record<string, string>}
 */
export function wranglerVars({ config: path, env: environment } = {}) {
  const config = wranglerConfig(path);
  const { vars: found = {} } = environment ? (config.env?.[environment] ?? {}) : config;
  const vars = Object.entries(found).filter(([, value]) => typeof value !== "object");
  return Object.fromEntries(vars.map(([name, value]) => [name, String(value)]));
}
