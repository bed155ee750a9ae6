/** Packages of npm that only a contestant needs, installed once per version and machine, outside the checkout. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { say } from "../../../scripts/lib/main.mjs";
import { BIN, CACHE } from "../../../scripts/lib/paths.mjs";
import { run } from "../../../scripts/lib/process.mjs";
import { Missing } from "../../compat/python.mjs";

const NO_MORE = [
  "--legacy-peer-deps",
  "--omit=peer",
  "--ignore-scripts",
  "--no-audit",
  "--no-fund",
];

/**
 * Makes one module of a worker and the packages that it imports.
 *
 * @param {string} name names what is installed
 * @param {string} main the worker's main module
 * @param {string[]} packages with their versions
 * @returns {Promise<string>} the path of the module
 * @throws {Missing} when a package is not to be had
 */
export async function bundle(name, main, packages) {
  const folder = join(CACHE, "compat", `${name}-${packages.join("-").replaceAll(/[^\w.]/g, "-")}`);
  const stamp = join(folder, ".installed");
  if (!existsSync(stamp)) {
    say(`Set-up: installing ${packages.join(" and ")} from npm (once on this machine)`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    try {
      await run("npm", ["install", "--no-save", ...NO_MORE, ...packages], {
        cwd: folder,
        quiet: true,
      });
    } catch (error) {
      throw new Missing(`${packages[0]} could not be installed: ${error.message}`);
    }
    writeFileSync(stamp, "");
  }
  const module = join(folder, "bundled.mjs");
  const outside = ["--external:cloudflare:*", "--external:node:*"];
  const how = ["--bundle", "--format=esm", "--conditions=workerd", ...outside];
  const env = { ...process.env, NODE_PATH: join(folder, "node_modules") };
  await run(join(BIN, "esbuild"), [main, ...how, `--outfile=${module}`], { env, quiet: true });
  return module;
}
