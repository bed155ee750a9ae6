import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "./process.mjs";

/** How long to wait for a lock: a process that was killed a moment ago may still hold it. */
const PATIENCE_MS = 3000;

/**
 * Programs that lock the open file which they inherit as descriptor 3, and exit with 1 when another process has the lock.
 * Node cannot do that itself.
 */
const LOCKERS = [
  ["flock", "-n", "-x", "3"],
  // For macOS, which has no flock.
  [
    "perl",
    "-e",
    'use Fcntl ":flock"; use Errno; open(my $file, ">&=", 3) or die $!;' +
      "exit 0 if flock($file, LOCK_EX | LOCK_NB); exit 1 if $!{EWOULDBLOCK}; warn $!; exit 71",
  ],
];

/**
 * Locks a file, which is created unless it is there. The lock belongs to the open file, so the system releases it when
 * every process that has inherited it is gone, however they end. Nothing is left that could be taken for a lock: no
 * process id that another process may get, no file that has to be removed.
 *
 * @param {string} path
 * @returns {Promise<{ lock: number } | { holder: string }>} the open file; or who has the lock
 * @throws {Failure} when the file system, or this machine, cannot lock files
 * @throws {NodeJS.ErrnoException} when the file cannot be opened
 */
export async function lockFile(path) {
  // Unlike "w", this does not empty the file, in which the one who has the lock is named.
  const file = openSync(path, "a+", 0o600);
  for (let waited = 0; !tryLock(file, path); waited += 100) {
    if (waited >= PATIENCE_MS) {
      closeSync(file);
      return { holder: readFileSync(path, "utf8").trim() || "another process" };
    }
    await sleep(100);
  }
  ftruncateSync(file);
  writeFileSync(file, `process ${process.pid} on ${hostname()}\n`);
  return { lock: file };
}

/** @returns {boolean} whether the file is locked now */
function tryLock(file, path) {
  for (const [program, ...args] of LOCKERS) {
    const stdio = ["ignore", "ignore", "pipe", file];
    const { error, status, stderr } = spawnSync(program, args, { stdio, encoding: "utf8" });
    if (error?.code === "ENOENT") continue;
    if (status === 0) return true;
    if (status === 1) return false;
    throw new Failure(`${path} cannot be locked; the lines above say why.`, {
      output: stderr || `${program}: ${error?.message ?? `exit code ${status}`}`,
    });
  }
  throw new Failure("Locking a file needs the program flock (of util-linux) or perl. Install one.");
}
