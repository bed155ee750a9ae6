import { rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ROOT } from "./paths.mjs";
import { wranglerConfig } from "./wrangler-toml.mjs";

const require = createRequire(import.meta.url);

/**
 * The arguments that make `wrangler dev` use a configuration without the worker's host. When a route or `dev.host`
 * names one, wrangler rewrites the host and the `Origin` of every request to it, and a DNS-rebound page then looks like
 * the worker's own.
 *
 * The configuration's file stands beside `wrangler.toml`, because the paths in it are relative, and is removed when
 * this process ends.
 * @returns {string[]} none when `wrangler.toml` names no host
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
