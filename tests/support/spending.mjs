/** What answers cost: what the worker tells of it, and a clock that a test may set. */
import { within } from "./within.mjs";

/**
 * The source of a main module in front of the worker's own, whose clock goes on from any time that a test sets. Its timers
 * are the real ones. It runs inside the worker, so it uses nothing of Node's.
 */
export const SET_CLOCK = `
const realMs = Date.now;
let offsetMs = 0;
Date.now = () => realMs() + offsetMs;

const { default: Worker } = await import("./index.js");

export default class extends Worker {
  fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/clock") return super.fetch(request);
    offsetMs = Date.parse(searchParams.get("now")) - realMs();
    return new Response();
  }
}
`;

/** Sets the clock of a worker that was started with `{ front: SET_CLOCK }`. @param {string} now */
export async function setClock(app, now) {
  await fetch(`${app.url}/clock?${new URLSearchParams({ now })}`);
}

/**
 * What the worker tells a person of a year's usage.
 *
 * @param {import("./person.mjs").Person} person
 */
export async function usageOf(person, query = "") {
  return JSON.parse(await (await person.send(`/usage${query}`)).text());
}

/** The same once it is as awaited: an answer is counted when it is over, off its path. */
export async function usageOnce(person, isAwaited, query = "") {
  let usage;
  const asked = async () => {
    for (;;) {
      usage = await usageOf(person, query);
      if (isAwaited(usage)) return usage;
    }
  };
  return within(asked(), () => `another usage than ${JSON.stringify(usage)}`, 60_000);
}

/** The tokens that something of so many bytes counts with when nobody told them. */
export const estimate = (bytes) => Math.ceil(bytes / 4);

/** The tokens of all that a call has sent, by estimate. @param {import("./upstream.mjs").Call} call */
export function sentTokens({ body }) {
  const bytes = body.messages.map(({ content }) => Buffer.byteLength(content));
  return estimate(bytes.reduce((sum, each) => sum + each, 0));
}
