import { rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./paths.mjs";
import { wranglerConfig } from "./wrangler-toml.mjs";

const require = createRequire(import.meta.url);

/**
 * The arguments by which `wrangler dev` takes a configuration in which nothing names the worker's host. Where a route
 * does, or `dev.host`, wrangler pretends that every request was sent there, its `Origin` too. Then a page that has led a
 * name of its own to this machine looks like the worker's own.
 *
 * The file goes with this process, and is beside `wrangler.toml`, from where its paths are.
 * @returns {string[]} none where `wrangler.toml` names no host
 */
export function withoutHost() {
  const { route, routes, dev, ...config } = wranglerConfig();
  if (route === undefined && routes === undefined && dev?.host === undefined) return [];
  const { stringify } = require("smol-toml");
  const { host, ...rest } = dev ?? {};
  const path = join(ROOT, `.wrangler-start-${process.pid}.toml`);
  writeFileSync(path, stringify({ ...config, dev: rest }));
  process.once("exit", () => rmSync(path, { force: true }));
  return ["--config", path];
}
