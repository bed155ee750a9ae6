/** `npm run serve`: what happens to the runtime and to open answers when something ends. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { processes, READY, serve as serveFor } from "../support/serve.mjs";
import { answer, answerWell, delta, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream(undefined, { turnsQuestionsAway: true });
const serve = (env) => serveFor(upstream, env);

/** Opens a stream that goes on until it is cut off. */
async function openStream(server, id) {
  const chat = server.chat({ "x-correlation-id": id });
  const call = (await upstream.nextCall()).open();
  call.write(delta("Hi"));
  const response = await chat;
  const rest = response.text().then(
    (text) => text,
    () => "cut",
  );
  return { call, rest };
}

/** All log lines of a request, without the times. */
function linesOf(script, id) {
  return script.output
    .map((line) => JSON.parse(line))
    .filter((record) => record.correlation_id === id)
    .map(({ timestamp, duration_ms, ...record }) => {
      assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/);
      if (record.event === "response_complete") assert.ok(duration_ms >= 0);
      return record;
    });
}

/** The last line of a stream that was cut off. */
const cutOff = (id, cause) => ({
  level: "INFO",
  event: "response_complete",
  correlation_id: id,
  status: "error",
  http_status: 200,
  end_reason: "interrupted",
  cause,
  retries: 0,
});

async function untilGone(pid) {
  const gone = async () => {
    while (processes().some((each) => each.pid === pid)) await sleep(20);
  };
  await within(gone(), () => `the end of process ${pid}`);
}

/** Whether something listens on a port. */
function isTaken(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

test("killed without a chance to clean up, it leaves no runtime behind that keeps key and port", async (t) => {
  const server = await serve();
  const { call } = await openStream(server, "orphan");
  const { pid } = server.runtime();
  // What this test looks for would hold the output open, for which the test's end waits.
  t.after(() => {
    if (processes().some((each) => each.pid === pid)) process.kill(pid, "SIGKILL");
  });
  server.script.signal("SIGKILL");
  await untilGone(pid);
  // Of a process that is gone already, the sockets may be closed a moment later.
  const free = async () => {
    while (await isTaken(server.port)) await sleep(20);
  };
  await within(free(), "the port to be free");
  assert.equal(await within(call.closed, "upstream to be left"), "aborted");
  const left = processes().filter(({ args }) => args.includes(`${server.port}`));
  assert.deepEqual(left, []);
});

test("a runtime that dies is restarted, and each answer that it cut off gets its last log line", async () => {
  const server = await serve();
  const { script } = server;
  const first = await openStream(server, "first");
  await openStream(server, "second");
  const { pid } = server.runtime();
  const isReadyAgain = () => script.words.filter((line) => READY.test(line)).length === 2;
  process.kill(pid, "SIGKILL");
  assert.equal(await within(first.rest, "the end of the answer"), "cut");
  const told = JSON.parse(await script.line(/"event":"runtime_ended"/));
  assert.partialDeepStrictEqual(told, {
    level: "ERROR",
    cause: "SIGKILL",
    cut_requests: 2,
    restart_in_ms: 500,
  });
  await script.line(/"correlation_id":"second".*"end_reason":"interrupted"/);
  for (const id of ["first", "second"]) {
    const lines = linesOf(script, id);
    const events = lines.map(({ event }) => event);
    assert.deepEqual(events, ["request_received", "stream_started", "response_complete"]);
    assert.deepEqual(lines.at(-1), cutOff(id, "the runtime ended: SIGKILL"));
  }
  const untilReady = async () => {
    while (!isReadyAgain()) await sleep(20);
  };
  await within(untilReady(), "the runtime to be there again");
  const chat = server.chat({ "x-correlation-id": "third" });
  (await upstream.nextCall()).end(...answer("Again"));
  assert.match(await (await chat).text(), /"content":"Again"/);
  assert.notEqual(server.runtime().pid, pid);
  await script.line(/"event":"response_complete","correlation_id":"third".*"end_reason":"done"/);
  assert.equal(linesOf(script, "third").length, 3);
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]) {
  test(`answers that a second ${signal} cuts off get their last log line`, async () => {
    const server = await serve();
    const { script } = server;
    const { call, rest } = await openStream(server, "parting");
    script.signal(signal);
    await script.line(/^Stopping/);
    script.signal(signal);
    assert.equal(await script.end(), 0);
    assert.equal(await within(rest, "the end of the answer"), "cut");
    assert.equal(await within(call.closed, "upstream to be left"), "aborted");
    const last = linesOf(script, "parting").at(-1);
    assert.deepEqual(last, cutOff("parting", "the server was stopped"));
    const said = script.output.map((line) => JSON.parse(line));
    const { timestamp, ...stopped } = said.find(({ event }) => event === "server_stopped");
    assert.deepEqual(stopped, { level: "WARNING", event: "server_stopped", cut_requests: 1 });
  });
}

test("an orderly end reports no answers as cut off", async () => {
  const server = await serve();
  const chat = server.chat({ "x-correlation-id": "whole" });
  answerWell(await upstream.nextCall());
  await (await chat).text();
  await server.script.line(/"event":"response_complete","correlation_id":"whole"/);
  server.script.signal("SIGTERM");
  assert.equal(await server.script.end(), 0);
  assert.equal(linesOf(server.script, "whole").length, 3);
  assert.doesNotMatch(server.script.output.join("\n"), /interrupted|server_stopped|runtime_ended/);
});
