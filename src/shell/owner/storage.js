/** The object's SQLite: <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/>. */

/**
 * Runs one statement.
 *
 * @param {{ storage: DurableObjectStorage }} context
 * @param {string} sql
 * @param {unknown[]} values
 * @returns {unknown[]} how many columns a row has, then the rows' values
 */
export function query({ storage }, sql, values) {
  const cursor = storage.sql.exec(sql, ...values);
  return [cursor.columnNames.length, ...cursor.raw().toArray().flat()];
}

/**
 * Runs statements, all or none.
 *
 * @param {{ storage: DurableObjectStorage }} context
 * @param {unknown[]} statements of each its text, how many values it has, and these
 */
export function write({ storage }, statements) {
  storage.transactionSync(() => {
    for (let at = 0; at < statements.length; ) {
      const [sql, count] = statements.slice(at, at + 2);
      storage.sql.exec(sql, ...statements.slice(at + 2, at + 2 + count));
      at += 2 + count;
    }
  });
}

/**
 * Resolves once everything that was written is safe. If it cannot be made safe, the runtime ends the object.
 *
 * @param {{ storage: DurableObjectStorage }} context
 * @returns {Promise<void>}
 */
export function confirm({ storage }) {
  return storage.sync();
}

/**
 * When objects last began to write of their own accord, by their ids, until that is safe. A full disk ends the object that
 * writes, and a new one takes its place: this outlives both.
 *
 * @type {Map<string, number>}
 */
const tries = new Map();

/**
 * When this object, or the one that it replaced, last began a write of its own that is not known to be safe yet; 0 if there
 * is none.
 */
export function triedMs({ id }) {
  return tries.get(`${id}`) ?? 0;
}

/** The object begins to write. @param {number} atMs */
export function noteTry({ id }, atMs) {
  tries.set(`${id}`, atMs);
}

/** What it wrote is safe. */
export function forgetTry({ id }) {
  tries.delete(`${id}`);
}

/**
 * Sets the object's one alarm, in place of an earlier one.
 *
 * @param {{ storage: DurableObjectStorage }} context
 * @param {number} atMs
 * @returns {Promise<void>}
 */
export function setAlarm({ storage }, atMs) {
  return storage.setAlarm(atMs);
}

/**
 * The words of a search: runs of letters, digits and marks, the categories of the index (`SEARCH` of `memory/schema.rs`).
 * The runtime has tables of these for all scripts, which WebAssembly would have to bring along.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function wordsOf(text) {
  const words = text.match(/[\p{L}\p{N}\p{M}\p{Co}]+/gu) ?? [];
  return words.filter((word) => /[\p{L}\p{N}]/u.test(word));
}
