import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./paths.mjs";

/**
 * A digest of files, by which to notice changes.
 * @param {string[]} paths relative to the checkout; a folder stands for all files in it
 */
export function hashOf(paths) {
  const hash = createHash("sha256");
  for (const path of paths.flatMap(filesUnder)) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(ROOT, path)))
      .update("\0");
  }
  return hash.digest("hex");
}

/** @returns {string[]} */
function filesUnder(path) {
  const entries = readdirSync(join(ROOT, path, ".."), { withFileTypes: true });
  const entry = entries.find(({ name }) => name === path.split("/").at(-1));
  if (!entry) return [];
  if (!entry.isDirectory()) return [path];
  return readdirSync(join(ROOT, path))
    .sort()
    .flatMap((name) => filesUnder(`${path}/${name}`));
}
