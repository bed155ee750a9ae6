/** The clients of README.md and docs/api.md, taken out of them and run as they stand there, against the worker. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../scripts/lib/paths.mjs";
import { errorBody, errorEnding } from "../support/errors.mjs";
import { frame, frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { freePort } from "../support/script.mjs";
import {
  CONTENTS,
  inNode,
  inShell,
  listen,
  Program,
  python,
  said,
  snippet,
  unless,
} from "../support/snippets.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";

const TOKEN = "snippet-token-0123456789";

const LOST = "\nThe connection was lost: the answer is not complete.\n";

const upstream = await startUpstream();
const app = await startWorker({
  OPENAI_BASE_URL: upstream.url,
  ACCESS_TOKENS: TOKEN,
  MAX_RETRIES: "0",
});
const run = (command, env) =>
  new Program(command, { CHAT_URL: app.url, CHAT_TOKEN: TOKEN, ...env });

/**
 * How each client is run and what it makes of an answer, curl first: it shows what comes as it is.
 *
 * @typedef {object} Client
 * @property {string} language The language of its block in docs/api.md.
 * @property {(code: string) => string[]} command
 * @property {string | false} [skip] Why it cannot be run here.
 * @property {Ended} refused What it makes of a request without a token.
 * @property {Ended} failed What it makes of an answer that upstream cut off after its first word.
 * @property {Ended} lost The same of one whose end was lost on its way to the client.
 * @property {RegExp} broken What it says when the connection broke.
 * @property {RegExp} down What it says when nothing answers.
 * @property {(contents: string[]) => string} text What it prints for a whole answer.
 *
 * @typedef {{ code: number, stdout: string, stderr: string }} Ended
 */

/** What both programs that read the frames make of it. */
const reads = {
  refused: { code: 1, stdout: "", stderr: said("unauthorized") },
  failed: { code: 1, stdout: "Hi", stderr: said("upstream_truncated") },
  lost: { code: 1, stdout: "Hi", stderr: LOST },
  broken: new RegExp(`^${LOST}$`),
  down: /^\nNothing answers at http:\/\/127\.0\.0\.1:\d+\. Is the assistant running\?\n$/,
  text: (contents) => contents.join(""),
};

const skipCurl = await unless("curl");
const skipJq = (await unless("curl")) || (await unless("jq"));

/** @type {Client[]} */
const CLIENTS = [
  {
    language: "sh",
    command: inShell,
    skip: skipCurl,
    refused: {
      code: 22,
      stdout: errorBody("unauthorized", "ID"),
      stderr: "curl: (22) The requested URL returned error: 401\n",
    },
    failed: {
      code: 0,
      stdout: frames("ID", ["Hi"], errorEnding("upstream_truncated")),
      stderr: "",
    },
    lost: { code: 0, stdout: frame("ID", 0, "Hi"), stderr: "" },
    broken: /^curl: \(18\)/,
    down: /^curl: \(7\) Failed to connect to 127\.0\.0\.1 port \d+/,
    text: (contents) => frames("ID", contents, { finish_reason: "stop" }),
  },
  {
    language: "js",
    command: inNode,
    ...reads,
  },
  { language: "python", ...reads, ...(await python()) },
];

for (const { language, skip, refused, failed, lost, broken, down, text, command } of CLIENTS) {
  const start = (env) => run(command(snippet("docs/api.md", language)), env);

  test(`${language}: the text is printed as it comes, and all of it`, { skip }, async () => {
    const program = start();
    const call = await upstream.nextCall();
    call.write(delta(CONTENTS[0]));
    await program.printed(CONTENTS[0]);
    call.end(...answer(...CONTENTS.slice(1)));
    assert.deepEqual(await program.ended(), { code: 0, stdout: text(CONTENTS), stderr: "" });
  });

  test(`${language}: an error before the stream is told`, { skip }, async () => {
    assert.deepEqual(await start({ CHAT_TOKEN: undefined }).ended(), refused);
  });

  test(`${language}: an error in the middle of the stream is told`, { skip }, async () => {
    const program = start();
    (await upstream.nextCall()).end(delta("Hi"));
    assert.deepEqual(await program.ended(), failed);
  });

  test(`${language}: a stream that ends without its final frame is not complete`, {
    skip,
  }, async () => {
    const url = await startCutter((response) => response.end());
    const program = start({ CHAT_URL: url });
    (await upstream.nextCall()).write(delta("Hi"));
    assert.deepEqual(await program.ended(), lost);
  });

  test(`${language}: a stream that breaks is not complete`, { skip }, async () => {
    const url = await startCutter((response) => response.destroy());
    const program = start({ CHAT_URL: url });
    (await upstream.nextCall()).write(delta("Hi"));
    const { code, stdout, stderr } = await program.ended();
    assert.notEqual(code, 0);
    assert.equal(stdout, lost.stdout);
    assert.match(stderr, broken);
  });

  test(`${language}: that nothing answers is told in a sentence`, { skip }, async () => {
    const { code, stdout, stderr } = await start({
      CHAT_URL: `http://127.0.0.1:${await freePort()}`,
    }).ended();
    assert.notEqual(code, 0);
    assert.equal(stdout, "");
    assert.match(stderr, down);
  });
}

test("curl and jq: the text alone is printed as it comes", { skip: skipJq }, async () => {
  const program = run(forHere(snippet("README.md", "sh")));
  const call = await upstream.nextCall();
  call.write(delta(CONTENTS[0]));
  await program.printed(CONTENTS[0]);
  call.end(...answer(...CONTENTS.slice(1)));
  assert.deepEqual(await program.ended(), { code: 0, stdout: CONTENTS.join(""), stderr: "" });
});

test("curl and jq: an error is told, before the answer and in the middle of it", {
  skip: skipJq,
}, async () => {
  const { stdout } = await run(forHere(snippet("README.md", "sh")), {
    CHAT_TOKEN: undefined,
  }).ended();
  assert.equal(stdout, `\n${errorEnding("unauthorized").detail}`);
  const program = run(forHere(snippet("README.md", "sh")));
  (await upstream.nextCall()).end(delta("Hi"));
  assert.equal((await program.ended()).stdout, `Hi\n${errorEnding("upstream_truncated").detail}`);
});

test("README.md: curl sends the history along", { skip: skipCurl }, async () => {
  const [, code] = readFileSync(join(ROOT, "README.md"), "utf8").match(/^\$ (curl -N .*?\}')$/ms);
  const program = run(forHere(code));
  const call = await upstream.nextCall();
  call.end(...answer("Then", " too. 🌲"));
  const { messages } = call.body;
  assert.deepEqual(messages.map(({ role, content }) => [role, content]).slice(1), [
    ["user", "Are spruces green in summer?"],
    ["assistant", "Yes."],
    ["user", "And in winter?"],
  ]);
  const { stdout } = await program.ended();
  assert.equal(stdout, frames("ID", ["Then", " too. 🌲"], { finish_reason: "stop" }));
});

/** A command of README.md, which is for `npm start`: here the worker is elsewhere and wants a token. */
function forHere(code) {
  const here = code
    .replace("http://127.0.0.1:8787", "$CHAT_URL")
    .replace(" -H", ' -H "Authorization: Bearer $CHAT_TOKEN" -H');
  return inShell(here);
}

/** A server on the way to the worker that passes on the first frame of an answer, and then does `cut` to it. */
async function startCutter(cut) {
  return listen(async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request));
    const { "content-type": type, authorization } = request.headers;
    const headers = { "content-type": type, authorization };
    const answer = await app.fetch(request.url, { method: "POST", headers, body });
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") });
    for await (const chunk of answer.body) {
      response.write(chunk, () => cut(response));
      break;
    }
  });
}
