import { setTimeout as sleep } from "node:timers/promises";
import { Failure, killAll, stopAll } from "./process.mjs";
import { say } from "./voice.mjs";

export { say };

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 };

/** How long a script may take to say its last once all that it started has ended. */
const LAST_WORDS_MS = 1000;

/** A size as people read it. @param {number} bytes */
export function kib(bytes) {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

/**
 * Runs a script's work: a failure is told without a stack trace, and a signal ends everything
 * that the script started.
 * @param {() => Promise<unknown>} work
 * @param {{ stoppedCode?: number, patienceMs?: number, parting?: string }} [options] exit code after a
 *   signal, where stopping is no failure, how long what was started may take to end by itself, and what to say then
 */
export async function main(work, { stoppedCode, patienceMs, parting } = {}) {
  let stopped = false;
  let done;
  const worked = new Promise((resolve) => {
    done = resolve;
  });
  async function stop(code) {
    if (stopped) killAll();
    else if (parting) say(parting);
    stopped = true;
    await stopAll(patienceMs);
    await Promise.race([worked, sleep(LAST_WORDS_MS)]);
    process.exit(stoppedCode ?? code);
  }
  for (const [signal, code] of Object.entries(SIGNALS)) process.on(signal, () => stop(code));
  whenNpmIsGone(() => stop(SIGNALS.SIGHUP));
  // The terminal may be gone before the last line is written.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  try {
    await work();
  } catch (error) {
    if (stopped) return;
    console.error(error instanceof Failure ? `\n${error.message}` : error);
    await stopAll();
    process.exit(1);
  } finally {
    done();
  }
}

/** npm does not pass every signal on: a script that outlives its npm would run unseen. */
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
