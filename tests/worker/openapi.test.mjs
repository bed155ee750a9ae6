/**
 * `openapi.json` is valid, and documents every error in the worker's own words. That it is true of each answer is checked
 * by the harness, for every answer in every test.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { createConfig, lint } from "@redocly/openapi-core";
import { unstable_readConfig } from "wrangler";
import { errorBody, errorEnding } from "../support/errors.mjs";
import { read } from "../support/exchange.mjs";
import { finalFrame } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { document } from "../support/openapi.mjs";

const app = await startWorker({}, { pages: true });
const ROOT = new URL("../../", import.meta.url);

/** Rules of the linter that are switched off, and why. */
const OFF = {
  "operation-4xx-response":
    "no request to the document itself is refused, whatever is wrong with it",
  "no-unused-components":
    "what an unknown path or method is answered belongs to no operation; the introduction names it",
};

/** Errors whose detail says more than their code does. */
const VARIED = [
  "validation_error",
  "configuration_error",
  "unsupported_media_type",
  "model_not_found",
  "origin_not_allowed",
  "not_found",
  "conversations_unavailable",
];

test("the linter finds nothing", async () => {
  const rules = Object.fromEntries(Object.keys(OFF).map((rule) => [rule, "off"]));
  const config = await createConfig({ extends: ["recommended"], rules });
  const problems = await lint({ ref: fileURLToPath(new URL("public/openapi.json", ROOT)), config });
  const words = problems.map(({ ruleId, message, location: [{ pointer }] }) => {
    return `${pointer}: ${message} (${ruleId})`;
  });
  assert.deepEqual(words, []);
});

test("the version and the licence are those of the package", () => {
  const { version, license } = JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8"));
  assert.equal(document.info.version, version);
  assert.equal(document.info.license.identifier, license);
});

test("the document is served to every origin", async () => {
  const response = await app.get("/openapi.json", { headers: { origin: "https://a.example" } });
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  assert.deepEqual(JSON.parse(await read(response)), document);
  const headers = { "if-none-match": response.headers.get("etag") };
  assert.equal((await app.get("/openapi.json", { headers })).status, 304);
  assert.equal((await app.fetch("/openapi.json", { method: "HEAD" })).status, 200);
});

test("the error codes are those of the worker", () => {
  assert.deepEqual(document.components.schemas.ErrorCode.enum, codesOfTheWorker());
});

test("every error code has an example, in the words of the worker", () => {
  const { bodies, frames } = errorExamples();
  for (const body of bodies) {
    // The detail depends on the field, the variable, the header, what is missing or who chose the model.
    const free = VARIED.includes(body.code);
    const words = errorBody(body.code, body.correlation_id, free ? body.detail : undefined);
    assert.equal(JSON.stringify(body), words);
  }
  for (const frame of frames) {
    const { correlation_id, sequence, code, turn_id, history_turns } = frame;
    const kept = { turn_id, history_turns };
    const words = finalFrame(correlation_id, sequence, { ...errorEnding(code), ...kept });
    assert.equal(`data: ${JSON.stringify(frame)}\n\n`, words);
  }
  const shown = new Set([...bodies, ...frames].map(({ code }) => code));
  assert.deepEqual(shown, new Set(codesOfTheWorker()));
});

test("every code that a status or a frame may have has its example there", () => {
  for (const { enum: codes, examples } of codesAndExamples()) {
    assert.deepEqual([...new Set(examples.map(({ code }) => code))], codes);
  }
});

test("a request may have any correlation id, a response has a good one", () => {
  const { parameters, headers, schemas } = document.components;
  assert.deepEqual(parameters.CorrelationId.schema, { type: "string", examples: ["abc-123"] });
  const { schema } = headers["X-Correlation-Id"];
  assert.deepEqual(schema, { $ref: "#/components/schemas/CorrelationId" });
  assert.equal(schemas.CorrelationId.pattern, "^[A-Za-z0-9._:-]{1,128}$");
});

test("the limits of tokens are those of the shipped configuration", () => {
  const { vars } = unstable_readConfig({ config: fileURLToPath(new URL("wrangler.toml", ROOT)) });
  const { maximum, minimum, description } =
    document.components.schemas.ChatRequest.properties.max_tokens;
  assert.deepEqual([minimum, maximum], [1, Number(vars.MAX_TOKENS_LIMIT)]);
  assert.ok(description.includes(`\`MAX_TOKENS\` (${vars.MAX_TOKENS} as shipped)`), description);
});

test("each path answers the methods that are documented and no other, and preflights tell them", async (t) => {
  for (const [path, operations] of Object.entries(document.paths)) {
    await t.test(path, async () => {
      const documented = Object.keys(operations).sort();
      const methods = operations.options === undefined ? ["PUT"] : ["PUT", "OPTIONS"];
      for (const method of methods) {
        const response = await app.fetch(path.replace("{id}", "x"), { method });
        assert.equal(response.status, method === "PUT" ? 405 : 204);
        const allowed = response.headers.get("allow").toLowerCase().split(", ");
        assert.deepEqual(allowed.sort(), documented);
      }
    });
  }
  const elsewhere = await app.fetch("/nowhere", { method: "OPTIONS" });
  assert.equal(elsewhere.headers.get("allow"), "OPTIONS");
});

/** The names in the one place that gives errors their status and name. */
function codesOfTheWorker() {
  const source = readFileSync(new URL("src/api/error.rs", ROOT), "utf8");
  const codes = [...source.matchAll(/Self::\w+ => \(\d{3}, "(\w+)"\)/g)].map(([, code]) => code);
  const [, variants] = source.match(/pub enum ErrorCode \{(.*?)\n\}/s);
  assert.equal(codes.length, variants.match(/^ {4}\w+,$/gm).length, "every variant has a name");
  return codes;
}

function errorExamples() {
  const bodies = errorResponses().flatMap(({ examples }) => examples);
  return { bodies, frames: document.components.schemas.ErrorFrame.examples };
}

function codesAndExamples() {
  const { properties, examples } = document.components.schemas.ErrorFrame;
  return [...errorResponses(), { enum: properties.code.enum, examples }];
}

/** The codes and the examples of every response that is an error. */
function errorResponses() {
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  const responses = [
    ...operations.flatMap((operation) => Object.values(operation.responses)),
    ...Object.values(document.components.responses),
  ];
  return responses
    .map((response) => response.content?.["application/json"])
    .filter((content) => content?.schema.$ref === "#/components/schemas/Error")
    .map(({ schema, examples }) => ({
      enum: schema.properties.code.enum,
      examples: Object.values(examples).map(({ value }) => value),
    }));
}
