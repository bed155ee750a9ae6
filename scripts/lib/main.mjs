import { setTimeout as sleep } from "node:timers/promises";
import { Failure, killAll, stopAll } from "./process.mjs";
import { say, wrapped } from "./voice.mjs";

export { say };

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 };

/** How long a script may keep writing once everything that it started has ended. */
const LAST_WORDS_MS = 1000;

/** What a signal does; by default it ends the script early, which is a failure. */
let onSignal = {};

/**
 * From now on, a signal is how the script usually ends: it exits with 0.
 * @param {{ patienceMs?: number, parting?: string }} [options] how long its programs may take to end by themselves, and
 *   what to say meanwhile
 */
export function endsBySignal(options = {}) {
  onSignal = { ...options, exitCode: 0 };
}

/** A size as people read it. @param {number} bytes */
export function kib(bytes) {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

/**
 * Runs a script's work. A failure is explained without a stack trace. A signal ends every program that the script
 * started; a second one kills them.
 * @param {() => Promise<unknown>} work
 */
export async function main(work) {
  let stopped = false;
  let done;
  const worked = new Promise((resolve) => {
    done = resolve;
  });
  async function stop(signal) {
    const { exitCode = SIGNALS[signal], patienceMs, parting } = onSignal;
    if (stopped) killAll();
    else if (parting) say(parting);
    stopped = true;
    await stopAll(patienceMs);
    await Promise.race([worked, sleep(LAST_WORDS_MS)]);
    process.exit(exitCode);
  }
  for (const signal of Object.keys(SIGNALS)) process.on(signal, () => stop(signal));
  whenNpmIsGone(() => stop("SIGHUP"));
  // The terminal may be gone before the last line is written.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  try {
    await work();
  } catch (error) {
    if (stopped) return;
    console.error(error instanceof Failure ? `\n${explained(error)}` : error);
    await stopAll();
    process.exit(1);
  } finally {
    done();
  }
}

/** A failure behind its causes, each behind what its program printed. @param {Failure} failure @returns {string} */
function explained({ cause, output, message }) {
  const before = cause instanceof Failure ? [explained(cause)] : [];
  return [...before, output.trimEnd(), wrapped(message)].filter(Boolean).join("\n");
}

/** npm does not pass every signal on, and a script that outlives its npm would run unseen. */
function whenNpmIsGone(stop) {
  const parent = process.ppid;
  if (!process.env.npm_lifecycle_event) return;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    stop();
  }, 500);
  watch.unref();
}
