/** `npm run serve`: the release build on one's own server, configured by its environment. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";
import { freePort, startScript } from "../support/script.mjs";
import { KEY, serve as serveFor, TOKEN, usualEnv } from "../support/serve.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";
import { assertFits, unwrapped } from "../support/words.mjs";

const upstream = await startUpstream(undefined, { turnsQuestionsAway: true });

const USUAL = usualEnv(upstream);
const serve = (env) => serveFor(upstream, env);

test("an answer streams, and standard output has the log lines as JSON and nothing else", async () => {
  const server = await serve();
  const chat = server.chat({ "x-correlation-id": "abc-123" });
  const call = await upstream.nextCall();
  assert.equal(call.headers.authorization, `Bearer ${KEY}`);
  assert.equal(call.body.model, "from-the-environment");
  call.end(...answer("Hi"));
  const response = await chat;
  assert.equal(
    await response.text(),
    'data: {"content":"Hi","sequence":0,"is_final":false,"correlation_id":"abc-123"}\n\n' +
      'data: {"content":"","sequence":1,"is_final":true,"correlation_id":"abc-123","finish_reason":"stop"}\n\n',
  );
  await server.script.line(/"event":"response_complete"/);
  const events = server.script.output.map((line) => JSON.parse(line).event);
  const usual = ["application_started", "request_received", "stream_started", "response_complete"];
  assert.deepEqual(events, usual);
  assertFits(server.script.words);
  assert.match(
    unwrapped(server.script.words.join("\n")),
    / answered by from-the-environment at 127\.0\.0\.1:\d+\. Its log lines follow\./,
  );
});

test("a request's log lines stay in the order in which they were written, whatever their level", async () => {
  const server = await serve({ LOG_FORMAT: "json" });
  for (let asked = 0; asked < 20; asked++) {
    const chat = server.chat({ "x-correlation-id": `failure-${asked}` });
    const call = await upstream.nextCall();
    call.end(delta("a"));
    await (await chat).text();
    await server.script.line(new RegExp(`"response_complete","correlation_id":"failure-${asked}"`));
  }
  const records = server.script.output.map((line) => JSON.parse(line));
  const events = records.filter((record) => record.correlation_id).map((record) => record.event);
  const one = ["request_received", "stream_started", "stream_error", "response_complete"];
  assert.deepEqual(events, Array(20).fill(one).flat());
});

test("it is closed to strangers by default", async () => {
  const server = await serve();
  const refused = await server.chat({ authorization: undefined });
  assert.equal(refused.status, 401);
  assert.equal((await refused.json()).code, "unauthorized");
});

test("a client that leaves aborts upstream's answer", async () => {
  const server = await serve({ HEARTBEAT_SECONDS: "0.1" });
  const leaving = new AbortController();
  const chat = server.chat({}, leaving.signal);
  const call = (await upstream.nextCall()).open();
  await chat;
  leaving.abort();
  assert.equal(await within(call.closed, "upstream to be left"), "aborted");
});

test("a budget is kept to", async () => {
  const server = await serve({ DAILY_TOKENS: "me=0" });
  const refused = await server.chat();
  assert.equal(refused.status, 429);
  assert.equal((await refused.json()).code, "budget_exhausted");
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]) {
  test(`${signal} lets open answers finish, and is no failure`, async () => {
    const server = await serve();
    const chat = server.chat();
    const call = await upstream.nextCall();
    call.write(delta("Hi"));
    const response = await chat;
    server.script.signal(signal);
    await server.script.line(/^Stopping/);
    call.end(delta(" there"), finish("stop"), done);
    assert.match(await response.text(), /"is_final":true,[^\n]*"finish_reason":"stop"\}\n\n$/);
    assert.equal(await server.script.end(), 0);
  });
}

test("a second signal ends open answers", async () => {
  const server = await serve();
  const chat = server.chat();
  const call = (await upstream.nextCall()).open();
  await chat;
  server.script.signal("SIGTERM");
  await server.script.line(/^Stopping/);
  server.script.signal("SIGINT");
  assert.equal(await server.script.end(), 0);
  assert.equal(await call.closed, "aborted");
});

test("no secret is in a file or in a process's arguments", async () => {
  const folder = makeTemporary("serve-");
  const data = join(folder, "data");
  await serve({ TMPDIR: folder, DATA_DIR: data });
  assert.ok(existsSync(data));
  const runs = readdirSync(folder).filter((name) => name !== "data");
  assert.equal(runs.length, 1, "the runtime's configuration is where it is looked for");
  const build = fileURLToPath(new URL("../../build", import.meta.url));
  for (const path of [...filesIn(folder), ...filesIn(build), ...commandLines()]) {
    const contents = contentsOf(path);
    assert.ok(!contents.includes(KEY) && !contents.includes(TOKEN), path);
  }
});

test("LOG_FORMAT=text is for people", async () => {
  const server = await serve({ LOG_FORMAT: "text" });
  await (await server.chat({ authorization: "none" })).text();
  const line = await server.script.line(/response_complete/);
  assert.match(
    line,
    /^[\d:.]{12} {2}INFO {3}[\da-f]{8} {2}response_complete +401 error rejected, /,
  );
});

test("behind a TLS proxy, the worker's own pages may call it", async () => {
  const server = await serve({ ALLOWED_ORIGINS: "https://example.com" });
  const own = new URL(server.address).host;
  // A stranger of an allowed origin is asked for a token; of another one, it is turned away.
  const status = async (origin, proto) => {
    const headers = { origin, "x-forwarded-proto": proto, authorization: undefined };
    return (await server.chat(headers)).status;
  };
  assert.equal(await status(`https://${own}`, "https"), 401);
  assert.equal(await status(`https://${own}`), 403);
  assert.equal(await status(`http://${own}`), 401);
  assert.equal(await status("https://example.org", "https"), 403);
});

/** @type {[rule: string, env: Record<string, string>, words: RegExp[]][]} */
const REFUSED = [
  [
    "nothing is set",
    { OPENAI_API_KEY: "", ACCESS_TOKENS: "" },
    [
      /^ {2}OPENAI_API_KEY is required\./m,
      /^ {2}ACCESS_TOKENS is required because REQUIRE_AUTH is true\./m,
    ],
  ],
  [
    "white space counts as unset",
    { REQUIRE_AUTH: " ", ACCESS_TOKENS: " " },
    [/^ {2}ACCESS_TOKENS is required/m],
  ],
  [
    "several variables are wrong",
    { MAX_TOKENS: "many", LOG_LEVEL: "LOUD" },
    [/^ {2}MAX_TOKENS must /m, /^ {2}LOG_LEVEL must /m],
  ],
  [
    "a budget where nothing counts",
    { DATA_DIR: "none", DAILY_TOKENS: "1000" },
    [/^ {2}DAILY_TOKENS needs the binding OWNERS, or DATA_DIR on your own server/m],
  ],
  ["an unknown log format", { LOG_FORMAT: "xml" }, [/^LOG_FORMAT must be json or text\./m]],
  [
    "an address of another machine",
    { HOST: "192.0.2.1" },
    [/^HOST must be an address of this machine, and 192\.0\.2\.1 is not/m],
  ],
  [
    "a port that is not a number",
    { PORT: "http" },
    [/^PORT must be a whole number .* PORT=8788 npm run serve$/m],
  ],
];

for (const [rule, env, words] of REFUSED) {
  test(`it does not listen and says why: ${rule}`, async () => {
    const script = startScript("serve.mjs", {
      env: { ...USUAL, PORT: `${await freePort()}`, ...env },
    });
    assert.equal(await script.end(), 1);
    assert.deepEqual(script.output, []);
    assertFits(script.words);
    const said = unwrapped(script.words.join("\n"));
    for (const pattern of words) assert.match(said, pattern);
    assert.doesNotMatch(said, /wrangler secret|\.dev\.vars/, "these are for other ways to run it");
  });
}

test("a taken port is named", async () => {
  const { port } = new URL((await serve()).address);
  const script = startScript("serve.mjs", { env: { ...USUAL, PORT: port } });
  assert.equal(await script.end(), 1);
  assertFits(script.words);
  assert.match(
    unwrapped(script.words.join("\n")),
    new RegExp(`^Port ${port} is taken .*PORT=${+port + 1} npm run serve$`, "m"),
  );
});

function filesIn(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

/** What a file holds; nothing when its process has ended meanwhile. */
function contentsOf(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (path.startsWith("/proc/")) return "";
    throw error;
  }
}

/** The command lines of all processes; none where the system does not show them. */
function commandLines() {
  if (!existsSync("/proc/self/cmdline")) return [];
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return ids.map((id) => `/proc/${id}/cmdline`);
}
