/** The clients of docs/conversations.md, taken out of it and run as they stand there: they outlast what passes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../scripts/lib/paths.mjs";
import { errorBody } from "../support/errors.mjs";
import { startWorker } from "../support/harness.mjs";
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

/** Refusals that no repetition mends, or none within a minute. */
const FINAL = [
  [404, "not_found"],
  [409, "idempotency_conflict"],
  [502, "upstream_rejected"],
  [503, "upstream_quota"],
  [429, "too_many_answers"],
  [429, "upstream_rate_limited", "3600"],
];

const upstream = await startUpstream();
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, ACCESS_TOKENS: TOKEN, MAX_RETRIES: "0" },
  { owners: true },
);
const run = (command, env) =>
  new Program(command, { CHAT_URL: app.url, CHAT_TOKEN: TOKEN, ...env });

const skipCurl = await unless("curl");
const CLIENTS = [
  { language: "js", command: inNode },
  { language: "python", ...(await python()) },
];

for (const page of ["README.md", "docs/conversations.md"]) {
  test(`${page}: a second terminal joins the answer that is running`, {
    skip: skipCurl,
  }, async () => {
    upstream.reset();
    const text = readFileSync(join(ROOT, page), "utf8");
    const [, asks] = text.match(/^\$ (curl -N \S+chat .*'Idempotency-Key.*\n.*\}')$/m);
    const [, joins] = text.match(/^\$ (curl -N \S+answers\/\S+) +#/m);
    const asking = run(withToken(asks));
    const call = await upstream.nextCall();
    call.write(delta("Once"));
    await asking.printed("Once");
    const joining = run(withToken(joins));
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

for (const { language, skip, command } of CLIENTS) {
  const start = (env) => run(command(snippet("docs/conversations.md", language)), env);

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
    const refused = { code: 1, stdout: "", stderr: said("unauthorized") };
    assert.deepEqual(await start({ CHAT_TOKEN: undefined }).ended(), refused);
    const program = start();
    (await upstream.nextCall()).end(delta("Hi"));
    const failed = { code: 1, stdout: "Hi", stderr: said("upstream_truncated") };
    assert.deepEqual(await program.ended(), failed);
  });
}

/** A command for `npm start`, with what this worker wants. */
function withToken(code) {
  const here = code.replace("http://127.0.0.1:8787", "$CHAT_URL");
  return inShell(`${here} -H "Authorization: Bearer $CHAT_TOKEN"`);
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
  const url = await listen(async (request, response) => {
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
  return { url, requests };
}
