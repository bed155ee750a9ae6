/** The object's SQLite: <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/>. */

/** For an alarm that cannot be set: the next request does what it would have done. */
const ignore = () => {};

/**
 * Runs one statement.
 *
 * @param {{ storage: DurableObjectStorage }} context
 * @param {string} sql
 * @param {unknown[]} values
 * @returns {unknown[][]} its rows
 */
export function query({ storage }, sql, values) {
  return storage.sql.exec(sql, ...values).raw().toArray();
}

/**
 * Runs statements, all or none.
 *
 * @param {{ storage: DurableObjectStorage }} context
 * @param {[string, ...unknown[]][]} statements
 */
export function write({ storage }, statements) {
  storage.transactionSync(() => {
    for (const [sql, ...values] of statements) storage.sql.exec(sql, ...values);
  });
}

/** Has the object's alarm go off, at the latest then. */
export function setAlarm({ storage }, atMs) {
  storage.setAlarm(atMs).catch(ignore);
}
