/** The files of kept conversations, as they are on the disk while their process is dead. */
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** The runtime's own: when the alarms of all objects go off. */
const ALARMS = "metadata.sqlite";

/** Opens each database below a folder in turn, and gives what `work` gives of the objects'. */
function withEach(folder, work) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".sqlite"));
  return files.map((name) => {
    const database = new DatabaseSync(join(folder, name), { readBigInts: true });
    try {
      return work(database, basename(name) === ALARMS);
    } finally {
      database.close();
    }
  });
}

/** Runs a statement in the database of every object. */
export function changeObjects(folder, sql, ...values) {
  withEach(folder, (database, isAlarms) => isAlarms || database.prepare(sql).run(...values));
}

/** Has the only conversation, of one exchange, be there so many times, each a second older than the one before. */
export function multiply(folder, times) {
  const numbers = `WITH RECURSIVE copies (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < ${times - 1})`;
  changeObjects(
    folder,
    `${numbers} INSERT INTO conversations SELECT number + n, id || '-' || n, title || ' ' || n,
      created_ms - 1000 * n, updated_ms - 1000 * n, renamed_ms FROM conversations, copies`,
  );
  changeObjects(
    folder,
    `${numbers} INSERT INTO exchanges SELECT number + n, conversation + n, id || '-' || n, state, parent,
      parent_exchange, question_turn || '-' || n, answer_turn || '-' || n, request, correlation_id, model, history_turns,
      created_ms - 1000 * n, ended_ms - 1000 * n, ending, message, pieces, sent_tokens, max_tokens,
      budget_left FROM exchanges, copies`,
  );
}

/** What the objects' tables hold, as a text to compare. */
export function dumpObjects(folder) {
  const dump = (database) => {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    const rows = ({ name }) => [name, database.prepare(`SELECT * FROM "${name}"`).all()];
    return tables.map(rows);
  };
  const all = withEach(folder, (database, isAlarms) => (isAlarms ? [] : dump(database)));
  return JSON.stringify(all, (_, value) => (typeof value === "bigint" ? `${value}` : value));
}

/** When the objects' alarms go off, in milliseconds since the epoch. @returns {number[]} */
export function alarmTimes(folder) {
  const times = (database) =>
    database.prepare("SELECT scheduled_time AS time FROM _cf_ALARM").all();
  const all = withEach(folder, (database, isAlarms) => (isAlarms ? times(database) : []));
  return all.flat().map(({ time }) => Number(time / 1_000_000n));
}

/** Has all alarms be due, as if the time until then had passed. The runtime keeps each in two places, in nanoseconds. */
export function makeAlarmsDue(folder) {
  const now = BigInt(Date.now()) * 1_000_000n;
  withEach(folder, (database, isAlarms) => {
    const sql = isAlarms
      ? "UPDATE _cf_ALARM SET scheduled_time = ?"
      : "UPDATE _cf_METADATA SET value = ? WHERE key = 1";
    database.prepare(sql).run(now);
  });
}
