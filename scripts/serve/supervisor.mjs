import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../lib/process.mjs";
import { logLine } from "./open-requests.mjs";

/** How long to wait before the runtime is started again, after each of its ends in a row. */
const PAUSES_MS = [500, 1000, 2000, 4000, 8000];

/** A runtime that has lived so long has ended by an accident, and not because it cannot live. */
const STEADY_MS = 60_000;

/**
 * Keeps a runtime running: when it ends by itself it is started again, and what it cut off is logged.
 *
 * @param {object} options
 * @param {() => import("../lib/workerd.mjs").Workerd} options.start throws when the server is being stopped
 * @param {import("./open-requests.mjs").OpenRequests} options.open the requests that are under way
 * @param {() => boolean} options.isStopping whether somebody has told the server to end
 * @param {(line: string) => void} options.log
 * @param {() => void} options.onListening
 * @param {(ms: number) => Promise<unknown>} [options.wait]
 * @param {() => number} [options.now]
 * @returns {Promise<void>} once the server was told to end and the runtime has
 * @throws {Failure} when the runtime cannot begin, or does not stay
 */
export async function supervise({
  start,
  open,
  isStopping,
  log,
  onListening,
  wait = sleep,
  now = () => performance.now(),
}) {
  let inARow = 0;
  for (let isFirst = true; ; isFirst = false) {
    const runtime = start();
    const failure = await runtime.listening().then(
      () => undefined,
      (error) => error,
    );
    // What cannot begin will not begin later either.
    if (failure && isFirst) throw failure;
    if (!failure) onListening();
    const since = now();
    const how = await runtime.ended;
    const cause = isStopping() ? "the server was stopped" : `the runtime ended: ${how}`;
    const cut = open.cut(cause);
    if (isStopping()) {
      if (cut.length > 0) log(logLine("WARNING", "server_stopped", { cut_requests: cut.length }));
      for (const line of cut) log(line);
      return;
    }
    inARow = now() - since >= STEADY_MS ? 1 : inARow + 1;
    const pause = PAUSES_MS[inARow - 1];
    log(
      logLine("ERROR", "runtime_ended", {
        cause: how,
        cut_requests: cut.length,
        restart_in_ms: pause,
      }),
    );
    for (const line of cut) log(line);
    if (pause === undefined) {
      throw new Failure(
        `The runtime has ended ${inARow} times in a row within a minute each; the lines above may say why.`,
      );
    }
    await wait(pause);
  }
}
