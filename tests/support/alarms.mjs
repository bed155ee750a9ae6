/**
 * A part of a module in front of the worker's own, in which the alarms of its objects belong to the test: none goes off, a
 * log line `alarm` tells of each that is set, and the first ones are refused.
 *
 * It runs inside the worker, so it uses nothing of Node's.
 */

/** The source, to stand behind that of `clock.mjs`. @param {number} refusals how many alarms are refused */
export const alarms = (refusals) => `
let refusals = ${refusals};

const { Owner: Built } = await import("./index.js");

async function setAlarm(atMs) {
  const isRefused = refusals > 0;
  refusals -= 1;
  console.log(JSON.stringify({ event: "alarm", at_ms: atMs, is_refused: isRefused }));
  if (isRefused) throw new Error("refused on purpose");
}

/** What an object sees of the runtime. */
const seen = (context) => ({
  id: context.id,
  waitUntil: (work) => context.waitUntil(work),
  storage: {
    sql: context.storage.sql,
    transactionSync: (work) => context.storage.transactionSync(work),
    sync: () => context.storage.sync(),
    setAlarm,
  },
});

export class Owner {
  #owner;

  constructor(context, env) {
    this.#owner = new Built(seen(context), env);
  }

  fetch(request) {
    return this.#owner.fetch(request);
  }
}
`;
