import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathWith, ROOT } from "./paths.mjs";
import { run, tryOutput } from "./process.mjs";

/** What Biome can read. */
const KINDS = ["*.css", "*.html", "*.js", "*.json", "*.mjs"];

/** Where the project's files are, for a copy of the project without git. */
const FOLDERS = ["public", "scripts", "tests", "biome.json", "package.json"];

/**
 * Runs Biome on the files that git tracks. Without a list, it walks through the whole checkout, stops at the
 * configuration of a nested project and crashes on a Python virtual environment.
 * @param {string[]} args
 */
export async function biome(args) {
  const listed = await tryOutput("git", ["ls-files", "-z", ...KINDS]);
  const files = listed?.split("\0").filter((path) => path && existsSync(join(ROOT, path))) ?? [];
  const env = { PATH: pathWith() };
  return run("biome", [...args, ...(files.length > 0 ? files : FOLDERS)], { env });
}
