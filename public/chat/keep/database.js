import { openDB } from "idb";
import { withTimeout } from "../timeout.js";

/**
 * The page's database in this browser:
 *
 * - `summaries` and `conversations`: what the browser keeps where the service keeps nothing, as the API would give it.
 * - `partials`: what has arrived of answers that are not over, by their ids.
 * - `copies`: the conversations of the service that were opened last, to read them offline; `usedAt` tells when.
 */

const NAME = "assistant";

/** After so long, a browser that neither opens the database nor says why stores nothing for now. */
const OPENING_MS = 5_000;

/** @type {Promise<import("idb").IDBPDatabase> | undefined} */
let opened;

/** Has it opened anew when it is needed again. */
function forget() {
  opened = undefined;
}

/**
 * @returns {Promise<import("idb").IDBPDatabase>}
 * @throws where the browser stores nothing
 */
export function database() {
  if (opened) return opened;
  const opening = openDB(NAME, 1, {
    upgrade(database) {
      database.createObjectStore("summaries", { keyPath: "id" }).createIndex("time", "updated_at");
      database.createObjectStore("conversations", { keyPath: "id" });
      database.createObjectStore("partials");
      database.createObjectStore("copies", { keyPath: "id" }).createIndex("usedAt", "usedAt");
    },
    // Another tab has a newer version of this page, or the database is being deleted.
    blocking: (_, __, event) => {
      event.target.close();
      forget();
    },
    terminated: forget,
  });
  opened = withTimeout(opening, OPENING_MS);
  // The next time may be better.
  opening.then(() => (opened = opening), forget);
  return opened;
}
