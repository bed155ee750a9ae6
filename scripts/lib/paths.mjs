import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");

/** The programs of the node modules. */
export const BIN = join(ROOT, "node_modules", ".bin");

const userCache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");

/** Where compiled tools are kept: outside the checkout, so that the next clone finds them. */
export const CACHE = join(userCache, "personal-ai-assistant");

const outsidePath = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== BIN);

/** `PATH` without the node modules. */
export const PATH_OUTSIDE = outsidePath.join(delimiter);

/** `PATH` with the node modules first, then these folders. */
export function pathWith(...folders) {
  return [BIN, ...folders, ...outsidePath].join(delimiter);
}
