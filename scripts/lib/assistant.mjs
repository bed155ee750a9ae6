import { join } from "node:path";
import { ROOT } from "./paths.mjs";
import { Failure } from "./process.mjs";
import { pagesOf } from "./static-files.mjs";
import { VARIABLES } from "./variables.mjs";
import { BUILT, Workerd } from "./workerd.mjs";

/**
 * The built worker for the bare runtime. Its variables come from the environment of the process, so that no secret is
 * ever written to a file.
 * @type {import("./workerd.mjs").Worker}
 */
export const ASSISTANT = { modules: BUILT, fromEnvironment: VARIABLES };

/**
 * The assistant that serves a folder's pages besides, which Cloudflare does by itself.
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
 * What the worker itself finds wrong with a configuration.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string[]>} its words, a variable each
 * @throws {Failure} when it cannot even be asked
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
    throw new Failure(`${lines.join("\n")}\nThe worker could not be asked: ${error.message}`);
  } finally {
    await runtime.stop();
  }
}
