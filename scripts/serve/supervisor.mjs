import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../lib/process.mjs";
import { logLine } from "./open-requests.mjs";

/** How long to wait before restarting the runtime, after the first crash, the second one in a row, and so on. */
const PAUSES_MS = [500, 1000, 2000, 4000, 8000];

/** A crash after this time starts a new row: the runtime is able to run. */
const STEADY_MS = 60_000;

/**
 * Keeps a runtime running: when it crashes, the requests that were cut off are logged and it is restarted.
 *
 * @param {object} options
 * @param {() => import("../lib/workerd.mjs").Workerd} options.start throws when the server is stopping
 * @param {import("./open-requests.mjs").OpenRequests} options.open
 * @param {() => boolean} options.isStopping whether the server was told to stop
 * @param {(line: string) => void} options.log
 * @param {() => void} options.onListening
 * @param {(ms: number) => Promise<unknown>} [options.wait]
 * @param {() => number} [options.now]
 * @returns {Promise<void>} resolves when the server was told to stop and the runtime has ended
 * @throws {Failure} when the runtime cannot start, or keeps crashing
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
    // If it cannot start the first time, trying again is no use.
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
        `The runtime crashed ${inARow} times in a row, within a minute each time; the lines above may say why.`,
      );
    }
    await wait(pause);
  }
}
