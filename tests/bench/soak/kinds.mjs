/** The kinds of streams: what upstream does, what the client does, and how that has to end. */
import { done, event, finish } from "../../support/upstream.mjs";
import {
  answerWhole,
  atFirst,
  closeBeforeHeaders,
  leaveAfter,
  refuse,
  resetAtOnce,
  resetBeforeHeaders,
  sayForEver,
  sayUntilTurn,
  sayWhole,
  stay,
  WITHOUT_DONE,
} from "./acts.mjs";

/**
 * @typedef {object} Kind
 * @property {string} name
 * @property {(call: import('./acts.mjs').Call, stream: import('./acts.mjs').Stream) => unknown} serve Answers a call.
 * @property {(app: any, stream: import('./acts.mjs').Stream) => Promise<unknown>} visit Sends the chat and reads, or
 *   leaves.
 * @property {string} endReason As it has to be logged.
 * @property {boolean} [leaves] The client leaves, so that it has no end to see.
 * @property {boolean} [fails] Upstream fails, if only at first.
 * @property {number} [calls] How many calls upstream has to get, unless one.
 * @property {boolean} [isCut] The answer has only the tokens before the stream's turn.
 * @property {string} [code] The error that the client has to be told.
 * @property {number} [status] The HTTP status of that error; none where the stream had begun.
 */

const STAYS = { visit: stay, endReason: "done" };
const LEAVES = { leaves: true, endReason: "client_gone" };
const FAILS = { fails: true, visit: stay };
const MENDED = { ...STAYS, fails: true, calls: 2 };
const CUT = { ...FAILS, isCut: true };
const TRUNCATED = { ...CUT, endReason: "upstream_truncated", code: "upstream_truncated" };

/** Upstream answers well and the client stays. @type {Kind[]} */
export const WHOLE = [
  { ...STAYS, name: "a whole answer", serve: answerWhole },
  {
    ...STAYS,
    name: "a whole answer on a connection that stays open",
    serve: sayWhole,
  },
  {
    ...STAYS,
    name: "a finish reason without [DONE], then the end",
    async serve(call, stream) {
      await sayWhole(call, stream, WITHOUT_DONE);
      call.end();
    },
  },
  {
    ...STAYS,
    name: "a finish reason without [DONE], then a broken connection",
    async serve(call, stream) {
      await sayWhole(call, stream, WITHOUT_DONE);
      call.cut();
    },
  },
  {
    ...STAYS,
    name: "a finish reason without [DONE], then silence",
    serve: (call, stream) => sayWhole(call, stream, WITHOUT_DONE),
  },
  {
    ...STAYS,
    name: "a whole answer, then rubbish",
    async serve(call, stream) {
      await sayWhole(call, stream, `${WITHOUT_DONE}data: }\n\n`);
      call.end();
    },
  },
];

/** The client leaves. @type {Kind[]} */
export const LEAVING = [
  {
    ...LEAVES,
    name: "client resets before the headers",
    visit: resetBeforeHeaders,
    serve: () => {},
  },
  {
    ...LEAVES,
    name: "client closes before the headers",
    visit: closeBeforeHeaders,
    async serve(call, stream) {
      await stream.left;
      await sayForEver(call, stream);
    },
  },
  {
    ...LEAVES,
    name: "client leaves at the headers",
    visit: leaveAfter(() => 0),
    serve: sayForEver,
  },
  {
    ...LEAVES,
    name: "client leaves after the first frame",
    visit: leaveAfter(() => 1),
    serve: sayForEver,
  },
  {
    ...LEAVES,
    name: "client leaves in the middle",
    visit: leaveAfter((stream) => stream.turn + 2),
    serve: sayForEver,
  },
  {
    ...LEAVES,
    name: "client leaves during silence",
    visit: leaveAfter((stream) => stream.turn),
    serve: sayUntilTurn,
  },
];

/** Upstream fails. @type {Kind[]} */
export const FAILING = [
  {
    ...CUT,
    name: "upstream gives up with a finish reason that is a failure",
    endReason: "upstream_error",
    code: "upstream_unavailable",
    async serve(call, stream) {
      await sayUntilTurn(call, stream);
      call.end(finish("abort"), done);
    },
  },
  {
    ...TRUNCATED,
    name: "upstream closes after an empty finish reason",
    async serve(call, stream) {
      await sayUntilTurn(call, stream);
      call.end(finish(""));
    },
  },
  {
    ...CUT,
    name: "upstream sends bytes that are no text",
    endReason: "upstream_protocol",
    code: "upstream_protocol",
    async serve(call, stream) {
      await sayUntilTurn(call, stream);
      call.write(Buffer.from("data: \xff\n\n", "latin1"));
    },
  },
  {
    ...CUT,
    name: "upstream sends an event of 2 MiB",
    endReason: "upstream_protocol",
    code: "upstream_protocol",
    async serve(call, stream) {
      await sayUntilTurn(call, stream);
      call.write(`data: ${"x".repeat(2 << 20)}\n\n`);
    },
  },
  {
    ...FAILS,
    name: "upstream answers with a page",
    endReason: "upstream_protocol",
    code: "upstream_protocol",
    status: 502,
    async serve(call, stream) {
      await stream.everyone;
      call.respond(200, "<html>", { "content-type": "text/html" });
    },
  },
  {
    ...FAILS,
    name: "upstream breaks off a whole answer",
    endReason: "upstream_truncated",
    code: "upstream_truncated",
    status: 502,
    async serve(call, stream) {
      await stream.everyone;
      call.open(200, { "content-type": "application/json" });
      call.write('{"choices":[{"message":{"content":"half');
      call.reset();
    },
  },
  {
    ...TRUNCATED,
    name: "upstream resets",
    async serve(call, stream) {
      await sayUntilTurn(call, stream);
      // A reset may overtake what was written before it.
      await stream.hasRead(stream.turn);
      call.reset();
    },
  },
  {
    ...TRUNCATED,
    name: "upstream closes in good form",
    async serve(call, stream) {
      await sayUntilTurn(call, stream);
      call.end();
    },
  },
  {
    ...TRUNCATED,
    name: "upstream closes inside an event",
    async serve(call, stream) {
      await sayUntilTurn(call, stream);
      call.end(stream.events(0, 1).slice(0, -4));
    },
  },
  {
    ...CUT,
    name: "upstream sends an error event",
    endReason: "upstream_error",
    code: "upstream_unavailable",
    async serve(call, stream) {
      await sayUntilTurn(call, stream);
      call.write(event({ error: { message: "No", type: "server_error", code: null } }));
    },
  },
  {
    ...CUT,
    name: "upstream sends invalid JSON",
    endReason: "upstream_protocol",
    code: "upstream_protocol",
    async serve(call, stream) {
      await sayUntilTurn(call, stream);
      call.write('data: {"choices":[}\n\n', stream.events(0, 1));
    },
  },
  {
    ...CUT,
    name: "upstream falls silent",
    endReason: "upstream_timeout",
    code: "upstream_timeout",
    serve: sayUntilTurn,
  },
  {
    ...FAILS,
    name: "upstream never answers",
    endReason: "upstream_timeout",
    code: "upstream_timeout",
    status: 504,
    serve: () => {},
  },
  {
    ...FAILS,
    name: "upstream answers 500",
    endReason: "upstream_error",
    code: "upstream_unavailable",
    status: 502,
    calls: 3,
    serve: refuse(500, null),
  },
  {
    ...FAILS,
    name: "upstream answers 429",
    endReason: "upstream_error",
    code: "upstream_rate_limited",
    status: 429,
    calls: 3,
    serve: refuse(429, "rate_limit_exceeded", { "retry-after-ms": "20" }),
  },
  {
    ...FAILS,
    name: "upstream answers 429, quota",
    endReason: "upstream_error",
    code: "upstream_quota",
    status: 503,
    serve: refuse(429, "insufficient_quota"),
  },
  {
    ...FAILS,
    name: "upstream resets before the headers",
    endReason: "upstream_error",
    code: "upstream_unreachable",
    status: 502,
    calls: 3,
    serve: resetAtOnce,
  },
  { ...MENDED, name: "upstream answers 500 once", serve: atFirst(refuse(500, null)) },
  {
    ...MENDED,
    name: "upstream answers 429 once",
    serve: atFirst(refuse(429, null, { "retry-after": "1" })),
  },
  { ...MENDED, name: "upstream resets once", serve: atFirst(resetAtOnce) },
];
