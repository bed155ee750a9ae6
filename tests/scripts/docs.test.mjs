/** README.md and docs/ say what is so. Their clients are run in tests/worker/snippets.test.mjs. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import manifest from "../../package.json" with { type: "json" };
import openapi from "../../public/openapi.json" with { type: "json" };
import { ROOT } from "../../scripts/lib/paths.mjs";
import { wranglerVars } from "../../scripts/lib/wrangler-toml.mjs";
import { aimock } from "../compat/upstreams/aimock.mjs";
import { litellm } from "../compat/upstreams/litellm.mjs";
import { llamaCpp } from "../compat/upstreams/llama-cpp.mjs";
import { llamaCppPython } from "../compat/upstreams/llama-cpp-python.mjs";

const read = (path) => readFileSync(join(ROOT, path), "utf8");
const PAGES = ["README.md", ...globSync("docs/*.md", { cwd: ROOT })];

/** The rows of a page's tables that are headed so: the name in the first cell, and the cells after it. */
function rows(page, heading) {
  const tables = read(page).matchAll(/^\| (.*?) \|.*\n\| --- .*\n((?:\| .*\n)+)/gm);
  return Array.from(tables)
    .filter(([, head]) => head === heading)
    .flatMap(([, , body]) => Array.from(body.matchAll(/^\| `(\w+)`[^|]*\| (.*) \|$/gm)))
    .map(([, name, rest]) => [name, rest.split(" | ")]);
}

for (const page of PAGES) {
  test(`${page}: every link leads to a file and a heading that are there`, () => {
    for (const [link, path, heading] of read(page).matchAll(/\]\(([\w./-]*)(?:#([\w-]+))?\)/g)) {
      const target = path === "" ? page : join(dirname(page), path);
      assert.ok(existsSync(join(ROOT, target)), link);
      if (heading) assert.ok(headings(target).includes(heading), link);
    }
  });

  test(`${page}: every npm command and every file that it names is there`, () => {
    for (const [command, script] of read(page).matchAll(/\bnpm run (?:-s )?([a-z:]+)/g)) {
      assert.ok(script in manifest.scripts, command);
    }
    for (const [path] of read(page).matchAll(
      /(?<![\w/.-])(src|public|scripts|tests|docs)\/[\w./-]*\w/g,
    )) {
      assert.ok(existsSync(join(ROOT, path)), path);
    }
  });
}

test("README.md is read in six minutes", () => {
  const words = read("README.md").trim().split(/\s+/).length;
  assert.ok(words <= 1400, `${words} words`);
});

test("what is told to be shipped is what wrangler.toml sets", () => {
  const vars = wranglerVars();
  const quoted = (cell) => cell.match(/^`(.*)`$/)?.[1];
  for (const [name, [shipped]] of rows("README.md", "variable").filter(([name]) => name in vars)) {
    assert.equal(quoted(shipped), vars[name], name);
  }
  for (const [name, [fallback, shipped]] of rows("docs/configuration.md", "variable")) {
    if (name in vars) assert.equal(quoted(shipped) ?? quoted(fallback), vars[name], name);
  }
});

test("the error codes and their statuses are those of openapi.json", () => {
  const { ErrorCode, ErrorFrame } = openapi.components.schemas;
  const told = rows("docs/api.md", "`code`");
  assert.deepEqual(told.map(([code]) => code).toSorted(), ErrorCode.enum.toSorted());
  for (const [code, [status]] of told) {
    const inFrames = ErrorFrame.properties.code.enum.includes(code);
    const statuses = [...statusesOf(code), ...(inFrames ? ["frame"] : [])];
    assert.deepEqual(status.split(/, | or /), statuses, code);
  }
});

test("the fields of a request are those of openapi.json", () => {
  const told = rows("docs/api.md", "field").map(([name]) => name);
  assert.deepEqual(told, Object.keys(openapi.components.schemas.ChatRequest.properties));
});

test("the routes are those of openapi.json", () => {
  const table = read("docs/api.md").match(/^\| route \|.*\n\| --- .*\n((?:\| .*\n)+)/m)[1];
  const told = [...table.matchAll(/`([A-Z]+) (\/[\w./-]*)`/g)].map(
    ([, method, path]) => `${method} ${path.replace("/ID", "/{id}")}`,
  );
  const documented = Object.entries(openapi.paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .filter((method) => !["head", "options"].includes(method))
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  const pages = ["GET /", "GET /docs"];
  assert.deepEqual(told.toSorted(), [...documented, ...pages].toSorted());
});

test("the limits of kept conversations are those of openapi.json and of the code", () => {
  const page = read("docs/conversations.md").replaceAll(/\s+/g, " ");
  const { conversation_id, history } = openapi.components.schemas.ChatRequest.properties;
  const [characters] = history.description.match(/\d+ \d+ characters/);
  const { parameters } = openapi.paths["/conversations"].get;
  const { schema } = parameters.find(({ name }) => name === "limit");
  const [, atOnce] = read("src/config.rs").match(/"MAX_ANSWERS_AT_ONCE", (\d+)/);
  const [, megabytes] = read("src/stream/pieces.rs").match(/MAX_BYTES: usize = (\d_\d)00_000;/);
  const told = [
    `1–${conversation_id.maxLength} of \`[A-Za-z0-9_-]\``,
    `${history.maxItems} turns and ${characters}`,
    `${schema.default} at a time; \`limit\` is at most ${schema.maximum}`,
    `run at a time, ${atOnce} as shipped`,
    `about ${Math.ceil(Number(megabytes.replace("_", ".")))} MB of text`,
  ];
  for (const words of told) assert.ok(page.includes(words), words);
});

test("the events of the log are those that the code writes", () => {
  const rust = globSync("src/**/*.rs", { cwd: ROOT }).map(read).join("");
  const js = globSync("{src,scripts/serve}/**/*.{js,mjs}", { cwd: ROOT }).map(read).join("");
  const written = [
    ...rust.matchAll(/\b(?:Level::\w+|level),\s*"(\w+)"/g),
    ...js.matchAll(/\b(?:event: |logLine\("\w+", )"(\w+)"/g),
  ].map(([, event]) => event);
  const told = rows("docs/logs.md", "event").map(([event]) => event);
  assert.deepEqual(told.toSorted(), [...new Set(written)].toSorted());
});

test("figures that are told twice are the same", () => {
  const performance = read("docs/performance.md");
  const paced = performance.match(/^\| paced: CPU per token, µs \|(.*)$/m)[1].split("|");
  const [, identity, worker] = paced.map((cell) => Number.parseFloat(cell));
  assert.match(performance, new RegExp(`costs ${Math.round(worker)} µs`));
  assert.match(read("README.md"), new RegExp(`about ${(worker / 1000).toFixed(1)} ms of CPU time`));
  assert.equal(Math.round((10 * identity) / worker), 9, "nine tenths are the runtime's");
});

test("the bounds that are told are those that the tests hold", () => {
  const performance = read("docs/performance.md").replaceAll(/\s+/g, " ");
  const held = read("tests/worker/cost.test.mjs");
  const [, kilobytes] = performance.match(/stays under (\d+) KB/);
  const [, crossings] = performance.match(/at most (\d+) times for a request/);
  assert.ok(held.includes(`at most ${kilobytes} KB`));
  assert.ok(held.includes(`at most ${crossings} crossings`));
  assert.ok(read("README.md").includes(`under ${kilobytes} KB`));
});

test("the servers that it works with are those that npm run compat talks to", () => {
  const page = read("docs/works-with.md");
  for (const { title, version, apis } of [aimock, litellm, llamaCpp, llamaCppPython]) {
    const names = apis.map((api) => API_NAMES[api]).join(", ");
    assert.ok(page.includes(`| ${version} | ${names} |`), title);
  }
});

const API_NAMES = { chat_completions: "Chat Completions", responses: "Responses" };

/** The headings of a page as GitHub names them in its links. */
function headings(page) {
  return Array.from(read(page).matchAll(/^#+ (.*)$/gm), ([, heading]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** The statuses that a response with this code may have. */
function statusesOf(code) {
  const { responses } = openapi.components;
  const all = Object.values(openapi.paths)
    .flatMap((path) => Object.values(path))
    .flatMap((operation) => Object.entries(operation.responses))
    .map(([status, response]) => [status, responses[response.$ref?.split("/").at(-1)] ?? response]);
  const statuses = all
    .filter(([, { content }]) => {
      const codes = content?.["application/json"]?.schema.properties?.code?.enum;
      return codes?.includes(code);
    })
    .map(([status]) => status);
  return [...new Set([...statuses, ...(ELSEWHERE[code] ?? [])])].toSorted();
}

/** What belongs to no operation: an unknown path or method. */
const ELSEWHERE = { not_found: ["404"], method_not_allowed: ["405"] };
