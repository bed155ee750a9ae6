/**
 * No stream's fate touches another's. Five innocent streams stay open beside every fault there is; after each fault
 * each of them goes on with its next frame, and in the end their bytes, endings and log lines are exact. That a next
 * request works would prove nothing: a new instance answers it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import test from "node:test";
import { begin, exchange, read } from "../support/exchange.mjs";
import { readFrames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { Neighbours } from "../support/neighbours.mjs";
import { answerWell, delta, done, event, finish, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url, HEARTBEAT_SECONDS: "1" });
const neighbours = await Neighbours.open(app, upstream);

/** Runs a fault, and shows that it is logged once and that the neighbours go on. */
async function beside(fault) {
  const id = await fault();
  await app.log("response_complete", id);
  await app.logsArrived();
  const events = app.logsOf(id).map((line) => line.record.event);
  assert.equal(events.filter((event) => event === "response_complete").length, 1, `${events}`);
  await neighbours.assertGoOn();
}

/** A fault of upstream's, whose answer the client reads to its end. */
const ofUpstream = (act) => async () => {
  const { id, call, response } = await begin(app, upstream);
  await act(call);
  await read(await response);
  return id;
};

/** The same, once the client has the first token. */
const afterTheFirstToken = (act) => async () => {
  const { id, call, response } = await begin(app, upstream);
  call.write(delta("a"));
  const stream = readFrames(await response);
  await stream.next();
  await act(call);
  await Array.fromAsync(stream);
  return id;
};

/** A fault of a client's that has the first token. */
const ofClient = (act) => async () => {
  const { id, call, response } = await begin(app, upstream);
  call.write(delta("a"));
  const stream = readFrames(await response);
  await stream.next();
  await act(stream, call);
  await within(call.closed, "the end of the call");
  return id;
};

/** A request that is refused. */
const refused = (body, headers) => async () => {
  const { id } = await exchange(app, upstream, { body, headers, scripts: [] });
  return id;
};

/** A request whose every call upstream answers so. */
const answered = (respond) => async () => {
  const { id } = await exchange(app, upstream, { scripts: [respond, respond, respond] });
  upstream.reset();
  return id;
};

/** A body on a connection of its own, which the client then ends or breaks. */
const onTheWire = (headers, body, leave) => async () => {
  const id = crypto.randomUUID();
  await app.wire({ "X-Correlation-Id": id, ...headers }, body, async (socket) => {
    await once(socket, "connect");
    // A reset may overtake what was written. Other answers give the worker the time to read it.
    for (let turn = 0; turn < 3; turn++) await read(await app.get("/health"));
    leave(socket);
  });
  return id;
};

const HALF = 'data: {"choices":[{"index":0,"delta":{"content":"b';

for (const [what, fault] of Object.entries({
  "a whole answer": ofUpstream((call) => call.end(delta("a"), finish("stop"), done)),
  "a finish reason, then the end": ofUpstream((call) => call.end(delta("a"), finish("stop"))),
  "a finish reason, then a reset": afterTheFirstToken((call) => {
    call.write(finish("stop"));
    call.reset();
  }),
  "a finish reason, then a cut": afterTheFirstToken((call) => {
    call.write(finish("stop"));
    call.cut();
  }),
  "a finish reason, then silence": ofUpstream((call) => call.write(delta("a"), finish("stop"))),
  "a finish reason, then rubbish": ofUpstream((call) =>
    call.end(delta("a"), finish("stop"), "data: }\n\n"),
  ),
  "[DONE], then silence": ofUpstream((call) => call.write(delta("a"), finish("stop"), done)),
  "[DONE], then a reset": afterTheFirstToken((call) => {
    call.write(finish("stop"), done);
    call.reset();
  }),
  "[DONE], then bytes without end": ofUpstream((call) => {
    call.write(delta("a"), finish("stop"), done);
    call.flood(": more\n".repeat(1_000));
  }),
  "no byte": ofUpstream((call) => call.end()),
  "no terminal event": ofUpstream((call) => call.end(delta("a"))),
  "half an event": ofUpstream((call) => call.end(delta("a"), HALF)),
  "a reset before the first event": ofUpstream((call) => {
    call.open();
    call.reset();
  }),
  "a reset in the middle": afterTheFirstToken((call) => call.reset()),
  "a cut in the middle": afterTheFirstToken((call) => call.cut()),
  "an error event": ofUpstream((call) => call.write(delta("a"), event({ error: { code: "x" } }))),
  "an event that is no JSON": ofUpstream((call) => call.write(delta("a"), "data: {\n\n")),
  "bytes that are no text": ofUpstream((call) =>
    call.write(Buffer.from("data: \xff\n\n", "latin1")),
  ),
  "an event of 2 MiB": ofUpstream((call) => call.write(`data: ${"x".repeat(2 << 20)}\n\n`)),
  "status 401": answered((call) => call.respond(401, { error: {} })),
  "status 404 without a body": answered((call) => call.respond(404, "")),
  "status 500, again and again": answered((call) => call.respond(500, "no")),
  "status 500, and a body that breaks off": answered((call) => {
    call.open(500);
    call.write("half");
    call.reset();
  }),
  "a redirect": answered((call) => call.respond(302, "", { location: "http://127.0.0.1:9/" })),
  "a page in place of a stream": answered((call) =>
    call.respond(200, "<html>", { "content-type": "text/html" }),
  ),
  "a reset before the headers": answered((call) => call.reset()),
  "a client that leaves into silence": ofClient((stream) => stream.return()),
  "a client that leaves while tokens flow": ofClient((stream, call) => {
    call.flood(delta("token "));
    return stream.return();
  }),
  "a client that is reset before the headers": async () => {
    const id = crypto.randomUUID();
    const client = app.send({ "x-correlation-id": id });
    client.end('{"message":"Hello"}');
    const call = await upstream.nextCall();
    client.socket.resetAndDestroy();
    await within(call.closed, "the end of the call");
    return id;
  },
  "an empty message": refused({ message: "" }),
  "a body that is no JSON": refused("{"),
  "a body that is too large": refused(" ".repeat(100_000)),
  "a body of another type": refused("hello", { "content-type": "text/plain" }),
  "a body shorter than its length, and half a close": onTheWire(
    { "Content-Length": "100" },
    '{"message"',
    (socket) => socket.end(),
  ),
  "a body shorter than its length, and a reset": onTheWire(
    { "Content-Length": "100" },
    '{"message"',
    (socket) => socket.resetAndDestroy(),
  ),
  "a malformed chunk": onTheWire({ "Transfer-Encoding": "chunked" }, "zz\r\nhello\r\n", (socket) =>
    socket.end(),
  ),
  "a chunk shorter than its length, and half a close": onTheWire(
    { "Transfer-Encoding": "chunked" },
    "20\r\n{\r\n",
    (socket) => socket.end(),
  ),
  "a path that is not there": async () => {
    const id = crypto.randomUUID();
    await (await app.get("/nothing", { headers: { "x-correlation-id": id } })).text();
    return id;
  },
  "a good answer again": answered(answerWell),
})) {
  test(`beside ${what}`, () => beside(fault));
}

test("beside several of them at once", async () => {
  const faults = [
    (call) => call.end(delta("a"), finish("stop")),
    (call) => call.end(delta("a")),
    (call) => call.end(delta("a"), "data: {\n\n"),
    (call) => call.respond(401, { error: {} }),
  ];
  const chats = [];
  for (const _ of faults) chats.push(await begin(app, upstream));
  for (const [index, act] of faults.entries()) act(chats[index].call);
  for (const { id, response } of chats) {
    await read(await response);
    await app.log("response_complete", id);
  }
  await neighbours.assertGoOn();
});

test("in the end the neighbours are whole", () => neighbours.assertEndWell());
