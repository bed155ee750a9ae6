/** A disk that is soon full, where this machine lets a test have one. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/**
 * Mounts a disk of this size, which goes with the test or the file that asked for it.
 *
 * @param {number} bytes
 * @returns {string | undefined} its folder; nothing where a test may not mount
 */
export function smallDisk(bytes) {
  const folder = mkdtempSync(join(tmpdir(), "small-disk-"));
  const quietly = { stdio: "ignore" };
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder], quietly);
  } catch {
    rmdirSync(folder);
    return undefined;
  }
  after(() => {
    execFileSync("umount", ["--lazy", folder], quietly);
    rmdirSync(folder);
  });
  return folder;
}
