/**
 * What the worker holds on to. Its runtime collects garbage when it sees fit, which on a big machine may be never in a
 * soak; so the garbage is collected first, through the inspector.
 */
import { once } from "node:events";
import { within } from "../../support/within.mjs";
import { until } from "./until.mjs";

/** For so many looks in a row the memory must not change to count as settled. */
const SETTLED_LOOKS = 8;

/** What is collected may hold something that only then becomes garbage. */
const COLLECTIONS = 2;

/**
 * @returns {Promise<{ heapBytes: number, rssBytes: number }>} what lives in the worker's JavaScript heap, and the
 *   memory of the runtime's whole process, 0 where the system does not tell
 */
export async function memoryOf(app) {
  const heapBytes = await liveHeapBytes(app);
  return { heapBytes, rssBytes: await settled(() => app.memoryBytes()) };
}

async function liveHeapBytes(app) {
  const inspector = await Inspector.open(await app.inspectorUrl());
  try {
    // The inspector keeps the last thousand log lines for whoever may ask for them.
    await inspector.ask("Runtime.discardConsoleEntries");
    for (let collection = 0; collection < COLLECTIONS; collection++) {
      let isOver = false;
      const collected = inspector.ask("HeapProfiler.collectGarbage").then(() => {
        isOver = true;
      });
      // The runtime gets round to it when the worker has something to do.
      await until(async () => {
        await (await app.get("/health")).text();
        return isOver;
      });
      await collected;
    }
    return (await inspector.ask("Runtime.getHeapUsage")).usedSize;
  } finally {
    inspector.close();
  }
}

/** A session of the Chrome DevTools Protocol with the worker's isolate. */
class Inspector {
  #socket;
  #asked = 0;
  /** @type {Map<number, (answer: any) => void>} */
  #waiting = new Map();

  constructor(socket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, result } = JSON.parse(data);
      this.#waiting.get(id)?.(result);
    });
  }

  /** @param {URL} url Of the runtime's inspector. */
  static async open(url) {
    const targets = await (await fetch(`http://${url.host}/json`)).json();
    const { webSocketDebuggerUrl } = targets.find(({ id }) => id.endsWith(":worker"));
    const socket = new WebSocket(webSocketDebuggerUrl);
    await within(once(socket, "open"), "the runtime's inspector");
    return new Inspector(socket);
  }

  ask(method) {
    const { promise, resolve } = Promise.withResolvers();
    this.#asked += 1;
    this.#waiting.set(this.#asked, resolve);
    this.#socket.send(JSON.stringify({ id: this.#asked, method }));
    return within(promise, `the inspector's answer to ${method}`);
  }

  close() {
    this.#socket.close();
  }
}

/** A figure once it stands still, or its last value if it never does. */
async function settled(look) {
  let value = look();
  let unchanged = 0;
  await until(() => {
    const next = look();
    unchanged = next === value ? unchanged + 1 : 0;
    value = next;
    return unchanged === SETTLED_LOOKS;
  });
  return value;
}
