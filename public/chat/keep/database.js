import { openDB } from "idb";

/**
 * The page's database in this browser:
 *
 * - `summaries` and `conversations`: what the browser keeps where the service keeps nothing, as the API would give it.
 * - `partials`: what has arrived of answers that are not over, by their ids.
 * - `copies`: the conversations of the service that were opened last, to read them offline; `usedAt` tells when.
 */

const NAME = "assistant";

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
  opened ??= openDB(NAME, 1, {
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
  // The next time may be better.
  opened.catch(forget);
  return opened;
}
