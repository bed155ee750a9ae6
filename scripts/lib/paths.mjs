import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");

/** The programs that come with the node modules. */
export const BIN = join(ROOT, "node_modules", ".bin");

const userCache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");

/** Where compiled tools live: outside the checkout, so that the next clone finds them. */
export const CACHE = join(userCache, "personal-ai-assistant");

const outsidePath = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== BIN);

/**
 * `PATH` without the node modules: `npm ci` deletes them, so it must not run on the Node inside.
 */
export const PATH_OUTSIDE = outsidePath.join(delimiter);

/** `PATH` with the node modules first, then the folders named. */
export function pathWith(...folders) {
  return [BIN, ...folders, ...outsidePath].join(delimiter);
}
