import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./paths.mjs";

const require = createRequire(import.meta.url);

/**
 * The deployment's configuration.
 * @param {string} [path]
 * @returns {{ compatibility_date: string, name: string, vars?: Record<string, unknown>, assets?: { directory?: string },
 *   durable_objects?: { bindings?: { name?: string }[] }, env?: Record<string, { vars?: Record<string, unknown> }> }}
 */
export function wranglerConfig(path = join(ROOT, "wrangler.toml")) {
  // The parser comes with the node modules, which may not be installed when this file is loaded.
  const { parse } = require("smol-toml");
  return parse(readFileSync(path, "utf8"));
}

/**
 * Its `[vars]`, as the strings that the worker sees. The worker ignores tables and lists.
 * @param {{ config?: string, env?: string }} [options] the file, and the environment of wrangler's whose variables to
 *   take: `[env.NAME.vars]`
 * @returns {Record<string, string>}
 */
export function wranglerVars({ config: path, env: environment } = {}) {
  const config = wranglerConfig(path);
  const { vars: found = {} } = environment ? (config.env?.[environment] ?? {}) : config;
  const vars = Object.entries(found).filter(([, value]) => typeof value !== "object");
  return Object.fromEntries(vars.map(([name, value]) => [name, String(value)]));
}

/** Whether it has the binding `OWNERS`, so that conversations are kept, and tokens counted. */
export function bindsOwners() {
  const { bindings = [] } = wranglerConfig().durable_objects ?? {};
  return bindings.some(({ name }) => name === "OWNERS");
}
