import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { OWNERS } from "../lib/assistant.mjs";
import { lockFile } from "../lib/lock.mjs";
import { ROOT } from "../lib/paths.mjs";
import { Failure } from "../lib/process.mjs";

/** The value of `DATA_DIR` with which no conversations are kept. */
const NONE = "none";

/** How much room there must be: less would be used up by the first few answers. */
const ROOM_BYTES = 1024 * 1024;

/** The files of the objects' databases. */
const DATABASE = /\.sqlite(-wal|-shm)?$/;

/** Why a folder cannot be used, by the system's codes. */
const REASONS = {
  // In a container, or as a service, the server has a user of its own.
  EACCES: `cannot be written by user ${process.getuid()}`,
  EPERM: "cannot be written",
  EROFS: "cannot be written",
  ENOSPC: "has no room left",
  EDQUOT: "has no room left",
  ENOTDIR: "is not a folder",
  EEXIST: "is not a folder",
  ENOENT: "is a link that leads nowhere",
};

/** Whether `DATA_DIR` lets conversations be kept. */
export function keepsConversations() {
  return wanted() !== NONE;
}

function wanted() {
  return process.env.DATA_DIR?.trim() || "data";
}

/**
 * The folder of kept conversations, `DATA_DIR` from the environment or `data/` in the checkout, for this server alone.
 *
 * @returns {Promise<{ path: string, lock: number } | undefined>} where it is, and the open file whose lock keeps other
 *   servers out; nothing when no conversations are to be kept
 * @throws {Failure} when it cannot be created, has no room, cannot be written, or is another server's
 */
export async function openDataFolder() {
  if (!keepsConversations()) return undefined;
  const path = resolve(ROOT, wanted());
  try {
    // What is said in conversations is for no other user of this machine.
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const { lock, holder } = await lockFile(join(path, "lock"));
    if (holder !== undefined) {
      throw new Failure(
        `Another server keeps its conversations in ${path}: ${holder}. Stop it, or choose another folder: ` +
          "DATA_DIR=… npm run serve",
      );
    }
    ensureWritable(path);
    return { path, lock };
  } catch (error) {
    if (error instanceof Failure) throw error;
    const reason = REASONS[error.code] ?? "cannot be used";
    throw new Failure(
      `${error.path ?? path} ${reason} (${error.code}). Conversations are kept there. Mend that, or choose another ` +
        `folder in DATA_DIR; with DATA_DIR=${NONE}, no conversations are kept.`,
    );
  }
}

/**
 * Makes sure, by writing, that there is room, and that the databases that are there can be written. Whatever else is in the
 * folder does no harm: a new disk has a `lost+found` that is root's.
 */
function ensureWritable(folder) {
  const probe = join(folder, "probe");
  const named = (error) => Object.assign(error, { path: folder });
  try {
    const file = openSync(probe, "w", 0o600);
    try {
      // Unlike writeSync, it goes on after a part was written.
      writeFileSync(file, Buffer.alloc(ROOM_BYTES));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw named(error);
  } finally {
    rmSync(probe, { force: true });
  }
  for (const { uniqueKey } of Object.values(OWNERS)) {
    const objects = join(folder, uniqueKey);
    // Root may write everything; another user may find what was written when root ran the server.
    for (const name of namesIn(objects)) {
      if (DATABASE.test(name)) accessSync(join(objects, name), constants.R_OK | constants.W_OK);
    }
  }
}

/** The names in the objects' folder, which is not there before the first server has run. */
function namesIn(objects) {
  // One that leads nowhere is no missing folder: what was kept is somewhere else.
  if (lstatSync(objects, { throwIfNoEntry: false }) === undefined) return [];
  const names = readdirSync(objects);
  accessSync(objects, constants.R_OK | constants.W_OK | constants.X_OK);
  return names;
}
