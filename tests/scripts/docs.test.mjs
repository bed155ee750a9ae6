/** README.md and docs/ say what is so. Their clients are run in tests/worker/snippets*.test.mjs. */
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
    `${megabytes.replace("_", ".")} MB as it is stored`,
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

test("the rows and calls of a kept answer that are told are those that the tests hold", () => {
  const performance = read("docs/performance.md").replaceAll(/\s+/g, " ");
  const held = read("tests/worker/kept-cost.test.mjs");
  const [, most] = performance.match(/500 tokens write at most (\d+) rows/);
  const [, crossings] = performance.match(/a token costs at most (\d+) calls/);
  assert.ok(held.includes(`writes at most ${most} rows`));
  assert.ok(held.includes(`at most ${crossings} crossings a token`));
  const written = Number(ofKept("rows written"));
  const [, more] = performance.match(/first answer of an owner writes (\d+) more/);
  const [, first] = held.match(
    /first answer of an owner, of 500 tokens, writes at most (\d+) rows/,
  );
  assert.ok(written <= Number(most));
  assert.ok(written + Number(more) <= Number(first));
  assert.ok(read("docs/deploying.md").includes(`writes ${written} rows`));
});

test("what kept answers cost in a month follows from what one takes and from the prices", () => {
  const perAnswer = {
    "rows written": ofKept("rows written"),
    "rows read": ofKept("rows read"),
    "objects at work, GB-s": ofKept("seconds that an object is at work") * GB,
    "requests to objects": ofKept("requests to an object, its alarm included"),
    "requests to the worker": ofKept("requests to the worker"),
    "CPU time, ms": ofKept("CPU time, ms"),
  };
  const storedGb = ofKept("stored, KB") / 1e6;
  const prices = Object.fromEntries(
    table("docs/performance.md", "what is counted").map(([what, , included, million]) => [
      what,
      { included: number(included), each: number(million) / 1e6 },
    ]),
  );
  const [days, ...told] = table("docs/performance.md", "answers a day", { withHead: true });
  const rowsTold = Object.fromEntries(told.map(([what, ...cells]) => [what, cells.map(number)]));
  for (const [index, answers] of days.slice(1).map(number).entries()) {
    const used = Object.entries(perAnswer).map(([what, each]) => [what, 30 * answers * each]);
    const overYear = 365 * answers * storedGb;
    let worth = overYear * STORED_GB_PRICE;
    let toPay = Math.max(0, overYear - 5) * STORED_GB_PRICE;
    for (const [what, amount] of used) {
      assert.equal(rowsTold[what][index], Math.round(amount), `${what}, ${answers} a day`);
      const { included, each } = prices[what];
      worth += amount * each;
      toPay += Math.max(0, amount - included) * each;
    }
    assert.equal(rowsTold["stored after a year, GB"][index], Number(overYear.toFixed(2)));
    assert.equal(rowsTold["worth, $ a month"][index], Number(worth.toFixed(2)));
    assert.equal(rowsTold["to pay beyond the $5, $ a month"][index], Number(toPay.toFixed(2)));
  }
  const page = read("docs/performance.md").replaceAll(/\s+/g, " ");
  const thousand = Object.entries(perAnswer).map(([what, each]) => 1000 * each * prices[what].each);
  assert.ok(page.includes(`about $${sum(thousand).toFixed(2)} for a thousand answers`));
  const most = Object.entries(perAnswer).map(([what, each]) => prices[what].included / 30 / each);
  assert.equal(Math.floor(Math.min(...most) / 1000), 10);
  assert.ok(page.includes("below 10 000 answers a day"));
  const free = table("docs/performance.md", "what is counted")
    .filter(([what]) => what !== "CPU time, ms")
    .map(([what, aDay]) => number(aDay) / perAnswer[what]);
  assert.equal(Math.floor(Math.min(...free) / 10), 88);
  for (const text of [page, read("docs/deploying.md").replaceAll(/\s+/g, " ")]) {
    assert.match(text, /880/);
    assert.match(text, /10 000 answers a day/);
  }
});

test("the CPU time of an answer is that of its tokens, and its ratio that of the medians", () => {
  const [, notKept, , kept] = table("docs/performance.md", "median").findLast(([what]) =>
    what.startsWith("paced"),
  );
  const perAnswer = (cell) => Math.round((500 * number(cell)) / 1000);
  const told = table("docs/performance.md", "an answer of 500 tokens, at 50 a second").at(-1);
  assert.deepEqual(told, ["CPU time, ms", `${perAnswer(kept)}`, `${perAnswer(notKept)}`]);
});

/** 128 MB as Cloudflare counts them, in GB. */
const GB = 0.128;
/** Of a GB that is stored, a month. */
const STORED_GB_PRICE = 0.2;

/** What an answer takes that is kept. */
function ofKept(what) {
  const found = table("docs/performance.md", "an answer of 500 tokens, at 50 a second");
  return number(found.find(([name]) => name === what)[1]);
}

/** The cells of a page's tables that are headed so, row by row. */
function table(page, heading, { withHead = false } = {}) {
  const tables = read(page).matchAll(/^(\| (.*?) \|.*)\n\| --- .*\n((?:\| .*\n?)+)/gm);
  const cells = (line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
  return Array.from(tables)
    .filter(([, , head]) => head === heading)
    .flatMap(([, head, , body]) => [...(withHead ? [head] : []), ...body.trim().split("\n")])
    .map(cells);
}

/** A number as the pages write it: `1 000`, `$0.30`. */
function number(text) {
  return Number.parseFloat(text.replaceAll(/[ $]/g, ""));
}

function sum(all) {
  return all.reduce((total, each) => total + each, 0);
}

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
