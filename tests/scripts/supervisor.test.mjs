/** The supervisor that keeps the runtime of `npm run serve` running, in virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OpenRequests } from "../../scripts/serve/open-requests.mjs";
import { supervise } from "../../scripts/serve/supervisor.mjs";

/**
 * Lets a runtime live and die, life by life, until nothing more is planned: then the server is stopped.
 *
 * @param {(number | "unborn")[]} lives how long each lives, in milliseconds
 */
async function watch(lives, open = new OpenRequests()) {
  let now = 0;
  const pauses = [];
  const lines = [];
  let started = 0;
  const options = {
    start() {
      const life = lives[started++];
      return {
        listening: async () => {
          if (life === "unborn") throw new Error("workerd ended before it listened");
        },
        get ended() {
          now += Number(life) || 0;
          return Promise.resolve("SIGSEGV");
        },
      };
    },
    open,
    isStopping: () => started === lives.length,
    log: (line) => lines.push(JSON.parse(line)),
    onListening: () => {},
    wait: async (ms) => pauses.push(ms),
    now: () => now,
  };
  const failure = await supervise(options).then(
    () => undefined,
    (error) => error.message,
  );
  return { pauses, lines, started, failure };
}

test("the pause grows with each crash in a row, and finally it gives up", async () => {
  const { pauses, lines, started, failure } = await watch(Array(20).fill(1000));
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000]);
  assert.equal(started, 6);
  assert.match(failure, /^The runtime crashed 6 times in a row, within a minute each time;/);
  const told = lines.map(({ event, restart_in_ms }) => [event, restart_in_ms]);
  const expected = [500, 1000, 2000, 4000, 8000, undefined].map((ms) => ["runtime_ended", ms]);
  assert.deepEqual(told, expected);
});

test("a crash after a minute starts a new row", async () => {
  const { pauses, failure } = await watch([1, 1, 60_000, 1, 60_000, 1]);
  assert.deepEqual(pauses, [500, 1000, 500, 1000, 500]);
  assert.equal(failure, undefined);
});

test("a runtime that cannot start is a failure the first time, and later one more crash", async () => {
  assert.equal((await watch(["unborn", 1])).failure, "workerd ended before it listened");
  const { pauses, failure } = await watch([1, "unborn", "unborn", 1]);
  assert.deepEqual(pauses, [500, 1000, 2000]);
  assert.equal(failure, undefined);
});

const line = (event, id, more = "") =>
  `{"timestamp":"2026-11-26T10:00:00.000000+00:00","level":"INFO","event":"${event}","correlation_id":"${id}"${more}}`;
const AT = Date.parse("2026-11-26T10:00:02.500Z");

/** The last lines of the requests that are open after these lines. */
function cut(...lines) {
  const open = new OpenRequests();
  for (const each of lines) open.hear(each);
  const records = open.cut("a test", AT).map((each) => JSON.parse(each));
  assert.deepEqual(open.cut("a test"), [], "each has one last line");
  return records;
}

test("a request is open from its first line to its last one", () => {
  const [record, ...others] = cut(
    line("request_received", "a"),
    line("request_received", "b"),
    line("upstream_retry", "b"),
    line("upstream_retry", "b"),
    line("stream_started", "b"),
    line("response_complete", "a"),
    line("response_complete", "unknown"),
    line("stream_started", "unknown"),
  );
  assert.deepEqual(others, []);
  const { timestamp, ...told } = record;
  assert.deepEqual(told, {
    level: "INFO",
    event: "response_complete",
    correlation_id: "b",
    status: "error",
    http_status: 200,
    end_reason: "interrupted",
    cause: "a test",
    duration_ms: 2500,
    retries: 2,
  });
});

test("a request that has not begun to stream has no status", () => {
  assert.ok(!("http_status" in cut(line("request_received", "a"))[0]));
});

test("clients may choose the same id", () => {
  const both = [line("request_received", "a"), line("request_received", "a")];
  assert.equal(cut(...both).length, 2);
  assert.equal(cut(...both, line("response_complete", "a")).length, 1);
  assert.equal(
    cut(...both, line("response_complete", "a"), line("response_complete", "a")).length,
    0,
  );
});

test("among requests with the same id, a line belongs to the one that can have written it", () => {
  const received = line("request_received", "a");
  const started = line("stream_started", "a");
  const complete = (more) => line("response_complete", "a", more);
  const statuses = (...lines) => cut(...lines).map(({ http_status }) => http_status);
  assert.deepEqual(statuses(received, received, started, started), [200, 200]);
  assert.deepEqual(statuses(received, started, received), [200, undefined]);
  assert.deepEqual(statuses(received, started, received, started), [200, 200]);
  const whole = complete(',"status":"success","http_status":200,"end_reason":"done"');
  const refused = complete(',"status":"error","http_status":401,"end_reason":"rejected"');
  const left = complete(',"status":"cancelled","end_reason":"client_gone"');
  assert.deepEqual(statuses(received, received, started, whole), [undefined]);
  assert.deepEqual(statuses(received, received, started, refused), [200]);
  assert.deepEqual(statuses(received, received, started, left), [200]);
  // A health check is 200 too, and streams nothing.
  assert.deepEqual(statuses(received, whole), []);
});

test("among requests with the same id, a retry belongs to the one that is waiting", () => {
  const retries = cut(
    line("request_received", "a"),
    line("stream_started", "a"),
    line("request_received", "a"),
    line("upstream_retry", "a"),
  ).map((record) => record.retries);
  assert.deepEqual(retries, [0, 1]);
});

test("a lost instance ends every open request, and none that begins later", () => {
  const open = new OpenRequests();
  const hear = (each) => open.hear(each).map((last) => JSON.parse(last));
  for (const each of [
    line("request_received", "a"),
    line("stream_started", "a"),
    line("request_received", "b"),
    line("request_received", "b"),
    // Its response is whole, and its work not yet done.
    line("request_received", "drains"),
    line("response_complete", "drains"),
    // It was lost before the instance knew it as a chat.
    line("request_received", "unlisted"),
  ]) {
    assert.deepEqual(hear(each), []);
  }
  const lost = hear(
    '{"timestamp":"2026-11-26T10:00:02.500000+00:00","level":"ERROR","event":"instance_lost","cause":"RuntimeError","correlation_ids":["a","b","b","drains"]}',
  );
  const last = { level: "INFO", event: "response_complete", status: "error" };
  const rest = { end_reason: "interrupted", cause: "the instance was lost", duration_ms: 2500 };
  assert.deepEqual(
    lost.map(({ timestamp, ...told }) => told),
    [
      { ...last, correlation_id: "a", http_status: 200, ...rest, retries: 0 },
      { ...last, correlation_id: "b", ...rest, retries: 0 },
      { ...last, correlation_id: "b", ...rest, retries: 0 },
      { ...last, correlation_id: "unlisted", ...rest, retries: 0 },
    ],
  );
  hear(line("request_received", "later"));
  const cut = open.cut("a test").map((each) => JSON.parse(each).correlation_id);
  assert.deepEqual(cut, ["later"]);
});

test("other lines and values of fields are not taken for requests", () => {
  const open = cut(
    "",
    "workerd: request_received",
    line("chunk_sent", "a"),
    line("stream_error", "a", ',"cause":"\\"event\\":\\"request_received\\""'),
    `{"timestamp":"x","level":"INFO","event":"application_started","model":"${"request_received"}"}`,
  );
  assert.deepEqual(open, []);
});
