import { join } from "node:path";
import { ROOT } from "./paths.mjs";
import { Failure } from "./process.mjs";
import { pagesOf } from "./static-files.mjs";
import { makeTemporary, removeTemporary } from "./temporary.mjs";
import { VARIABLES } from "./variables.mjs";
import { BUILT, Workerd } from "./workerd.mjs";

/**
 * The objects that keep conversations, one for each owner. Their key must never change: it leads to what they have kept.
 * It is also the one that `wrangler dev` makes of the names in wrangler.toml.
 * @type {Record<string, import("./workerd.mjs").DurableObjects>}
 */
export const OWNERS = {
  OWNERS: { className: "Owner", uniqueKey: "personal-ai-assistant-Owner" },
};

/**
 * The built worker, for the bare runtime. Its variables come from the environment of the process, so that no secret is
 * written to a file. It keeps no conversations.
 * @type {import("./workerd.mjs").Worker}
 */
export const ASSISTANT = { modules: BUILT, fromEnvironment: VARIABLES };

/**
 * A worker that keeps conversations.
 * @param {string} folder
 * @param {import("./workerd.mjs").Worker} [worker] the same without them
 * @returns {import("./workerd.mjs").Worker}
 */
export function keepingIn(folder, worker = ASSISTANT) {
  return { ...worker, durableObjects: OWNERS, storage: folder };
}

/**
 * The built worker behind one that serves a folder's pages, which a deployment leaves to Cloudflare.
 * @param {string} folder
 * @returns {import("./workerd.mjs").Worker}
 */
export function assistantWithPages(folder) {
  return {
    ...ASSISTANT,
    modules: { "pages.mjs": join(ROOT, "scripts", "serve", "pages.mjs"), ...BUILT },
    vars: { PAGES: JSON.stringify(pagesOf(folder)) },
    folders: { FILES: folder },
  };
}

/**
 * Asks the built worker what is wrong with a configuration. No kept conversation is touched.
 * @param {NodeJS.ProcessEnv} env
 * @param {{ keeps: boolean }} where whether it has the binding `OWNERS` there: a budget needs it
 * @returns {Promise<string[]>} its words, one item for each variable
 * @throws {Failure} when it cannot be asked
 */
export async function problemsWith(env, { keeps }) {
  const lines = [];
  const folder = makeTemporary("personal-ai-assistant-");
  const assistant = keeps ? keepingIn(folder) : ASSISTANT;
  const runtime = new Workerd({ assistant }, { env, onLine: (line) => lines.push(line) });
  try {
    const port = await runtime.listening();
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
    const { status, problems } = await answer.json();
    return status === "ready" ? [] : problems;
  } catch (error) {
    throw new Failure(`The worker could not check its configuration: ${error.message}`, {
      output: lines.join("\n"),
    });
  } finally {
    await runtime.stop();
    removeTemporary(folder);
  }
}

/** Whether what is wrong is a budget of a name that no token has. @param {string} problem */
export const isAboutNames = (problem) => /names of ACCESS_TOKENS/.test(problem);
