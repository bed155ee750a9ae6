import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { ROOT } from "./paths.mjs";
import { Failure } from "./process.mjs";
import { VARIABLES } from "./variables.mjs";

const require = createRequire(import.meta.url);

/**
 * The deployment's configuration.
 * @param {string} [path]
 * @typedef {{ vars?: Record<string, unknown>, durable_objects?: { bindings?: { name?: string }[] } }} Section
 * @returns {Section & { compatibility_date: string, name: string, assets?: { directory?: string },
 *   env?: Record<string, Section> }}
 */
export function wranglerConfig(path = join(ROOT, "wrangler.toml")) {
  // The parser comes with the node modules, which may not be installed when this file is loaded.
  const { parse } = require("smol-toml");
  return parse(readFileSync(path, "utf8"));
}

/**
 * The section that an environment uses. It inherits neither variables nor bindings.
 * @typedef {{ config?: string, env?: string }} Which the file, and the environment of wrangler's, as `[env.NAME]`
 * @param {Which} which
 */
function sectionOf({ config: path, env }) {
  const config = wranglerConfig(path);
  return env ? (config.env?.[env] ?? {}) : config;
}

/**
 * Its `[vars]`, as the strings that the worker sees.
 * @param {Which} [which]
 * @returns {Record<string, string>}
 * @throws {Failure} for a variable that is a list or a table, which the worker refuses
 */
export function wranglerVars(which = {}) {
  const { config = "wrangler.toml" } = which;
  const { vars: found = {} } = sectionOf(which);
  for (const name of VARIABLES) {
    if (typeof found[name] === "object") {
      throw new Failure(
        `${name} in ${basename(config)} must be a text, a number or a boolean. Write a list as one text, separated by commas.`,
      );
    }
  }
  return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, String(value)]));
}

/**
 * Whether it has the binding `OWNERS`, so that conversations are kept, and tokens counted.
 * @param {Which} [which]
 */
export function bindsOwners(which = {}) {
  const { bindings = [] } = sectionOf(which).durable_objects ?? {};
  return bindings.some(({ name }) => name === "OWNERS");
}
