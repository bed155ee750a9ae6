/** The clients of README.md and docs/, taken out of them and run as they stand there, against the worker. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { tryOutput } from "../../scripts/lib/process.mjs";
import { Missing, pythonEnvironment } from "../compat/python.mjs";
import { errorBody, errorEnding } from "../support/errors.mjs";
import { frame, frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { freePort } from "../support/script.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const TOKEN = "snippet-token-0123456789";

/** The last ones have line ends of Unicode in them, which end no line of an event stream. */
const CONTENTS = ["Hi", " there! 👋\n", "a\u2028b\u0085c"];
const LOST = "\nThe connection was lost: the answer is not complete.\n";

const upstream = await startUpstream();
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, ACCESS_TOKENS: TOKEN, MAX_RETRIES: "0" },
  { owners: true },
);

/** Refusals that no repetition mends, or none within a minute. */
const FINAL = [
  [404, "not_found"],
  [409, "idempotency_conflict"],
  [502, "upstream_rejected"],
  [503, "upstream_quota"],
  [429, "too_many_answers"],
  [429, "upstream_rate_limited", "3600"],
];

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
    command: (code) => ["sh", "-c", code],
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
    command: (code) => [process.execPath, "--input-type=module", "--eval", code],
    ...reads,
  },
  { language: "python", ...reads, ...(await python()) },
];

for (const { language, skip, refused, failed, lost, broken, down, text, command } of CLIENTS) {
  const start = (env) => new Program(command(snippet("docs/api.md", language)), env);

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
  const program = new Program(forHere(snippet("README.md", "sh")));
  const call = await upstream.nextCall();
  call.write(delta(CONTENTS[0]));
  await program.printed(CONTENTS[0]);
  call.end(...answer(...CONTENTS.slice(1)));
  assert.deepEqual(await program.ended(), { code: 0, stdout: CONTENTS.join(""), stderr: "" });
});

test("curl and jq: an error is told, before the answer and in the middle of it", {
  skip: skipJq,
}, async () => {
  const { stdout } = await new Program(forHere(snippet("README.md", "sh")), {
    CHAT_TOKEN: undefined,
  }).ended();
  assert.equal(stdout, `\n${errorEnding("unauthorized").detail}`);
  const program = new Program(forHere(snippet("README.md", "sh")));
  (await upstream.nextCall()).end(delta("Hi"));
  assert.equal((await program.ended()).stdout, `Hi\n${errorEnding("upstream_truncated").detail}`);
});

test("README.md: curl sends the history along", { skip: skipCurl }, async () => {
  const [, code] = readFileSync(join(ROOT, "README.md"), "utf8").match(/^\$ (curl -N .*?\}')$/ms);
  const program = new Program(forHere(code));
  const call = await upstream.nextCall();
  call.end(...answer("Also", " then. 🌲"));
  const { messages } = call.body;
  assert.deepEqual(messages.map(({ role, content }) => [role, content]).slice(1), [
    ["user", "Are spruces green in summer?"],
    ["assistant", "Yes."],
    ["user", "And in winter?"],
  ]);
  const { stdout } = await program.ended();
  assert.equal(stdout, frames("ID", ["Also", " then. 🌲"], { finish_reason: "stop" }));
});

for (const page of ["README.md", "docs/conversations.md"]) {
  test(`${page}: a second terminal joins the answer that is running`, {
    skip: skipCurl,
  }, async () => {
    upstream.reset();
    const text = readFileSync(join(ROOT, page), "utf8");
    const [, asks] = text.match(/^\$ (curl -N \S+chat .*'Idempotency-Key.*\n.*\}')$/m);
    const [, joins] = text.match(/^\$ (curl -N \S+answers\/\S+) +#/m);
    const asking = new Program(withToken(asks));
    const call = await upstream.nextCall();
    call.write(delta("Once"));
    await asking.printed("Once");
    const joining = new Program(withToken(joins));
    await joining.printed("Once");
    call.end(...answer(" upon"));
    const [asked, joined] = await Promise.all([asking.ended(), joining.ended()]);
    assert.equal(joined.code, 0);
    assert.equal(joined.stdout, asked.stdout);
    const whole =
      /^id: first\.0\n(.*\n){5}id: first\.2\ndata: .*"turn_id":"ID","history_turns":0\}\n\n$/;
    assert.match(joined.stdout, whole);
    await app.fetch("/conversations/stories", {
      method: "DELETE",
      headers: { authorization: `Bearer ${TOKEN}` },
    });
  });
}

for (const { language, skip, command } of CLIENTS.filter(({ language }) => language !== "sh")) {
  const start = (env) => new Program(command(snippet("docs/conversations.md", language)), env);

  test(`${language}: an answer is printed whole through a line that is cut three times`, {
    skip,
  }, async () => {
    upstream.reset();
    const { url, requests } = await startCutLine([
      // Nothing of the answer comes.
      () => 0,
      // One whole frame comes.
      behind("\n\n"),
      // Half a frame comes.
      behind("sequence"),
    ]);
    const program = start({ CHAT_URL: url });
    const call = await upstream.nextCall();
    call.write(delta(CONTENTS[0]));
    await program.printed(CONTENTS[0]);
    call.end(...answer(...CONTENTS.slice(1)));
    assert.deepEqual(await program.ended(), { code: 0, stdout: CONTENTS.join(""), stderr: "" });
    assert.equal(upstream.calls.length, 1, "the model is asked once");
    const [{ key }] = requests;
    assert.ok(requests.every((request) => request.key === key));
    assert.deepEqual(
      requests.map(({ last }) => last),
      [undefined, undefined, `${key}.0`, `${key}.0`],
    );
  });

  test(`${language}: an answer that was over when the line was cut is not asked for again`, {
    skip,
  }, async () => {
    upstream.reset();
    const { url, requests } = await startCutLine([
      (text) => text.includes('"is_final":true') && text.length,
    ]);
    const program = start({ CHAT_URL: url });
    (await upstream.nextCall()).end(...answer("Hi"));
    assert.deepEqual(await program.ended(), { code: 0, stdout: "Hi", stderr: "" });
    assert.equal(requests.length, 1);
  });

  test(`${language}: an answer is printed whole through what passes`, { skip }, async () => {
    upstream.reset();
    const limited = errorBody("rate_limited", "ID");
    const { url, requests } = await startCutLine([
      proxyPage(502),
      { status: 429, headers: { "retry-after": "1" }, body: limited },
      behind("\n\n"),
      proxyPage(503),
      { status: 503, body: errorBody("store_unavailable", "ID") },
      proxyPage(504),
    ]);
    const program = start({ CHAT_URL: url });
    const call = await upstream.nextCall();
    call.write(delta(CONTENTS[0]));
    await program.printed(CONTENTS[0]);
    call.end(...answer(...CONTENTS.slice(1)));
    assert.deepEqual(await program.ended(), { code: 0, stdout: CONTENTS.join(""), stderr: "" });
    assert.equal(upstream.calls.length, 1, "the model is asked once");
    const [{ key }] = requests;
    assert.ok(requests.every((request) => request.key === key));
    const seen = `${key}.0`;
    assert.deepEqual(
      requests.map(({ last }) => last),
      [undefined, undefined, undefined, seen, seen, seen, seen],
    );
    assert.ok(requests[2].at - requests[1].at >= 1000, "it waits as long as Retry-After says");
  });

  test(`${language}: a refusal that does not pass is told at once`, { skip }, async () => {
    for (const [status, code, retryAfter] of FINAL) {
      const headers = retryAfter && { "retry-after": retryAfter };
      const { url, requests } = await startCutLine([
        { status, headers, body: errorBody(code, "ID") },
      ]);
      const program = await start({ CHAT_URL: url }).ended();
      assert.deepEqual(program, { code: 1, stdout: "", stderr: said(code) });
      assert.equal(requests.length, 1, code);
    }
    const { url, requests } = await startCutLine([proxyPage(404)]);
    const { stderr } = await start({ CHAT_URL: url }).ended();
    assert.equal(stderr, `\n${url} answers with status 404.\n`);
    assert.equal(requests.length, 1);
  });

  test(`${language}: what a line cannot mend is told at once`, { skip }, async () => {
    assert.deepEqual(await start({ CHAT_TOKEN: undefined }).ended(), reads.refused);
    const program = start();
    (await upstream.nextCall()).end(delta("Hi"));
    assert.deepEqual(await program.ended(), reads.failed);
  });
}

/** A command of README.md, which is for `npm start`: here the worker is elsewhere and wants a token. */
function forHere(code) {
  const here = code
    .replace("http://127.0.0.1:8787", "$CHAT_URL")
    .replace(" -H", ' -H "Authorization: Bearer $CHAT_TOKEN" -H');
  return ["sh", "-c", here];
}

/** A command for `npm start`, with what this worker wants. */
function withToken(code) {
  const here = code.replace("http://127.0.0.1:8787", "$CHAT_URL");
  return ["sh", "-c", `${here} -H "Authorization: Bearer $CHAT_TOKEN"`];
}

/** A client at work. The ids that the worker gave are `ID` in what it printed. */
class Program {
  #child;
  #stdout = "";
  #stderr = "";

  constructor([program, ...args], env) {
    this.#child = spawn(program, args, {
      // The packages that a snippet imports are those of the checkout.
      cwd: ROOT,
      env: { ...process.env, CHAT_URL: app.url, CHAT_TOKEN: TOKEN, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    after(() => this.#child.kill());
    this.#child.stdout.setEncoding("utf8").on("data", (text) => {
      this.#stdout += text;
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#stderr += text;
    });
  }

  /** Resolves when this text has been printed. */
  async printed(text) {
    while (!this.#stdout.includes(text)) {
      await within(once(this.#child.stdout, "data"), () => `'${text}'; ${this.#stderr}`);
    }
  }

  /** @returns {Promise<Ended>} */
  async ended() {
    const [code] = await within(once(this.#child, "close"), "the end of the client");
    return { code, stdout: this.#stdout.replace(UUID, "ID"), stderr: this.#stderr };
  }
}

/** A server on the way to the worker that passes on the first frame of an answer, and then does `cut` to it. */
async function startCutter(cut) {
  const server = createServer(async (request, response) => {
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
  after(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}`;
}

/** Where a mark has come whole. */
function behind(mark) {
  return (text) => text.includes(mark) && text.indexOf(mark) + mark.length;
}

/** What a proxy answers while the worker behind it is away. */
function proxyPage(status) {
  return {
    status,
    headers: { "content-type": "text/html" },
    body: `<html><h1>${status}</h1></html>`,
  };
}

/**
 * A line to the worker that is cut. Each of the first requests has a cut of its own, which says how much of the text so far
 * still arrives, once that is known; or a reply in place of the worker's. Further requests get their answers whole.
 *
 * @typedef {{ status: number, headers?: Record<string, string>, body: string }} Reply
 * @param {(((text: string) => number | false) | Reply)[]} cuts
 */
async function startCutLine(cuts) {
  const requests = [];
  const names = ["content-type", "authorization", "idempotency-key", "last-event-id"];
  const server = createServer(async (request, response) => {
    const cut = cuts[requests.length] ?? (() => false);
    const headers = Object.fromEntries(names.map((name) => [name, request.headers[name]]));
    const { "idempotency-key": key, "last-event-id": last } = headers;
    requests.push({ key, last, at: performance.now() });
    const body = Buffer.concat(await Array.fromAsync(request));
    if (typeof cut !== "function") {
      const { status, headers } = cut;
      response.writeHead(status, { "content-type": "application/json", ...headers });
      return response.end(cut.body);
    }
    const answer = await app.fetch(request.url, { method: "POST", headers, body });
    const type = answer.headers.get("content-type");
    let text = "";
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
      const sent = text.length;
      text += part;
      const end = cut(text);
      if (end === 0) return response.destroy();
      if (!response.headersSent) response.writeHead(answer.status, { "content-type": type });
      if (end !== false) return response.write(text.slice(sent, end), () => response.destroy());
      response.write(part);
    }
    return response.end();
  });
  after(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, requests };
}

/** The one block of this language on a page. */
function snippet(page, language) {
  const text = readFileSync(join(ROOT, page), "utf8");
  const blocks = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))];
  assert.equal(blocks.length, 1, `${page} has one block of ${language}`);
  return blocks[0][1];
}

function said(code) {
  const { error, detail } = errorEnding(code);
  return `\n${error}: ${detail}\n`;
}

/** Why a client that needs this program cannot be run here. @returns {Promise<string | false>} */
async function unless(program) {
  return (await tryOutput(program, ["--version"])) === undefined && `${program} is not installed`;
}

/** Python with the packages that docs/api.md names. */
async function python() {
  try {
    const requirements = ["httpx==0.28.1", "httpx-sse==0.4.3"];
    const { python } = await pythonEnvironment(requirements.join("-"), {
      requirements,
      takes: "about 10 seconds",
    });
    return { command: (code) => [python, "-c", code] };
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { skip: error.message };
  }
}
