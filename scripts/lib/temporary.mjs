import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** @type {Set<string>} */
const folders = new Set();
process.once("exit", () => folders.forEach(removeTemporary));

/**
 * Makes a folder that is removed when this process ends, if not before.
 * @param {string} prefix of its name
 * @returns {string} its path
 */
export function makeTemporary(prefix) {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  folders.add(folder);
  return folder;
}

/** @param {string} folder */
export function removeTemporary(folder) {
  folders.delete(folder);
  // Something may just be writing its last file there.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
