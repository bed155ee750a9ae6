/** What upstream and the client do in a stream of the soak. */
import { setTimeout as sleep } from "node:timers/promises";
import { readFrames } from "../../support/frames.mjs";
import { done, finish, usage } from "../../support/upstream.mjs";

/**
 * @typedef {import('../../support/upstream.mjs').Call} Call
 * @typedef {import('./stream.mjs').Stream} Stream
 */

/** What the final frame of a whole answer says. */
export const ENDING = {
  finish_reason: "stop",
  usage: { input_tokens: 9, output_tokens: 40, total_tokens: 49 },
};

/** The end of an answer whose server leaves the last event out. */
export const WITHOUT_DONE = finish("stop") + usage(9, 40);

const END = WITHOUT_DONE + done;

/** How often upstream shows that it lives while it waits for the other streams, in milliseconds. */
const SIGN_OF_LIFE_MS = 1000;

/** Begins an answer, which goes on when all streams are there. */
async function open(call, stream) {
  call.open();
  let isFull = false;
  stream.everyone.then(() => {
    isFull = true;
  });
  while (!isFull) {
    call.write(": waiting\n\n");
    await Promise.race([stream.everyone, sleep(SIGN_OF_LIFE_MS)]);
  }
}

/** Says the tokens before the stream's turn. */
export async function sayUntilTurn(call, stream) {
  await open(call, stream);
  await stream.say(call, stream.events(0, stream.turn));
}

/** Gives the whole answer, and leaves the connection open. */
export async function sayWhole(call, stream, end = END) {
  await open(call, stream);
  await stream.say(call, stream.events(0, stream.contents.length) + end);
}

export async function answerWhole(call, stream) {
  await sayWhole(call, stream);
  call.end();
}

/** Says the answer again and again for as long as somebody listens. */
export async function sayForEver(call, stream) {
  await open(call, stream);
  for (let token = 0; stream.closedCalls === 0; token++) {
    await stream.say(call, stream.events(token, token + 1));
  }
}

/** Answers with an error. */
export function refuse(status, code, headers = {}) {
  return async (call, stream) => {
    await stream.everyone;
    call.respond(status, { error: { message: "No", type: null, param: null, code } }, headers);
  };
}

export async function resetAtOnce(call, stream) {
  await stream.everyone;
  call.reset();
}

/** Fails at the first call only. */
export const atFirst = (serve) => (call, stream) =>
  stream.calls.length === 1 ? serve(call, stream) : answerWhole(call, stream);

/** Sends the chat and reads its answer to the end. */
export async function stay(app, stream) {
  const response = await chat(app, stream);
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    stream.refusal = { status: response.status, text: await response.text() };
    return;
  }
  for await (const block of readFrames(response)) {
    stream.read(block);
  }
}

/** Reads so many frames, and leaves. */
export const leaveAfter = (frames) => async (app, stream) => {
  const response = await chat(app, stream);
  if (frames(stream) === 0) {
    await response.body.cancel();
    return;
  }
  for await (const block of readFrames(response)) {
    stream.read(block);
    if (stream.frameCount === frames(stream)) {
      return; // To stop reading is to leave.
    }
  }
};

export async function closeBeforeHeaders(app, stream) {
  const client = new AbortController();
  const answer = chat(app, stream, { signal: client.signal });
  answer.catch(() => {});
  await stream.everyone;
  client.abort();
}

export async function resetBeforeHeaders(app, stream) {
  const client = app.send({ "x-correlation-id": stream.id });
  client.end(JSON.stringify({ message: stream.message }));
  await stream.everyone;
  client.socket.resetAndDestroy();
}

function chat(app, stream, init) {
  const headers = { "x-correlation-id": stream.id };
  return app.chat({ message: stream.message }, { headers, ...init });
}
