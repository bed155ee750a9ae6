import { join } from "node:path";
import { ROOT } from "./paths.mjs";
import { Failure } from "./process.mjs";
import { pagesOf } from "./static-files.mjs";
import { VARIABLES } from "./variables.mjs";
import { BUILT, Workerd } from "./workerd.mjs";

/**
 * The built worker, for the bare runtime. Its variables come from the environment of the process, so that no secret is
 * written to a file.
 * @type {import("./workerd.mjs").Worker}
 */
export const ASSISTANT = { modules: BUILT, fromEnvironment: VARIABLES };

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
 * Asks the built worker what is wrong with a configuration.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string[]>} its words, one item for each variable
 * @throws {Failure} when it cannot be asked
 */
export async function problemsWith(env) {
  const lines = [];
  const runtime = new Workerd(
    { assistant: ASSISTANT },
    { env, onLine: (line) => lines.push(line) },
  );
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
  }
}
