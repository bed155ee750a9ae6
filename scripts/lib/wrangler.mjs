import { join } from "node:path";
import { modernNode } from "./node-modules.mjs";
import { pathWith, ROOT } from "./paths.mjs";
import { Failure, run } from "./process.mjs";

/** Wrangler asks nothing, sends no metrics, looks for no updates, and takes local variables from `.dev.vars` only. */
const QUIET = {
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "false",
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_LOG_PATH: join(ROOT, ".wrangler", "logs"),
  WRANGLER_SEND_METRICS: "false",
};

/**
 * How to run wrangler: the program, its arguments and its environment.
 * @param {string[]} args
 * @returns {[string, string[], NodeJS.ProcessEnv]}
 */
export function wrangler(args) {
  const script =
    process.env.WRANGLER_BIN || join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
  return [modernNode(), [script, ...args], { ...QUIET, PATH: pathWith() }];
}

/** Runs wrangler, and returns what it prints, without colours. */
export function wranglerOutput(args) {
  const [program, programArgs, env] = wrangler(args);
  const name = `wrangler ${args[0]}`;
  return run(program, programArgs, { env: { ...env, FORCE_COLOR: "0" }, quiet: true, name });
}

/** Makes sure that wrangler is logged in to Cloudflare. */
export async function ensureLoggedIn() {
  try {
    await wranglerOutput(["whoami", "--json"]);
  } catch (error) {
    if (!/"loggedIn": *false/.test(error.output)) throw error;
    throw new Failure(
      "wrangler is not logged in to Cloudflare. Run 'npx wrangler login'; where there is no browser, set " +
        "CLOUDFLARE_API_TOKEN to a token that may edit Workers. Then try again.",
    );
  }
}
