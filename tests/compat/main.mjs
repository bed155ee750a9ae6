/** Round trips of the built worker against servers that somebody else wrote. */
import { AssertionError } from "node:assert/strict";
import { parseArgs } from "node:util";
import { main, say } from "../../scripts/lib/main.mjs";
import { Failure } from "../../scripts/lib/process.mjs";
import { converse } from "./conversation.mjs";
import { Missing } from "./python.mjs";
import { aimock } from "./upstreams/aimock.mjs";
import { litellm } from "./upstreams/litellm.mjs";
import { llamaCpp } from "./upstreams/llama-cpp.mjs";
import { llamaCppPython } from "./upstreams/llama-cpp-python.mjs";

/**
 * @typedef {object} Upstream
 * @property {string} name What `--only` calls it.
 * @property {string} title
 * @property {string} version
 * @property {import("./conversation.mjs").Turn["api"][]} apis
 * @property {string} settings What the worker has to be told.
 * @property {() => Promise<Started>} start Starts it, installing what is missing.
 *
 * @typedef {import("./conversation.mjs").Running & { server?: import("./server.mjs").Server }} Started
 *
 * @typedef {object} Row One line of the table.
 * @property {Upstream} upstream
 * @property {string} api
 * @property {"ok" | "FAILED" | "skipped"} result
 * @property {number} [turns]
 * @property {number} [seconds]
 */

/** @type {Upstream[]} */
const UPSTREAMS = [aimock, llamaCppPython, llamaCpp, litellm];

await main(async () => {
  const rows = [];
  for (const upstream of chosen()) {
    rows.push(...(await tryOut(upstream)));
  }
  console.log(`\n${table(rows)}`);
  const count = (wanted) => rows.filter(({ result }) => result === wanted).length;
  const failed = count("FAILED");
  say(`\n${count("ok")} ok, ${failed} failed, ${count("skipped")} skipped`);
  if (failed > 0) throw new Failure("What failed is told above, beside its name.");
});

function chosen() {
  const names = UPSTREAMS.map(({ name }) => name);
  const { only = names } = options();
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new Failure(`There is no upstream '${unknown}'. There are: ${names.join(", ")}.`);
  }
  return UPSTREAMS.filter(({ name }) => only.includes(name));
}

/** @returns {{ only?: string[] }} */
function options() {
  try {
    return parseArgs({ options: { only: { type: "string", multiple: true } } }).values;
  } catch (error) {
    throw new Failure(`${error.message}\nUsage: npm run compat [-- --only NAME …]`);
  }
}

/** @param {Upstream} upstream @returns {Promise<Row[]>} */
async function tryOut(upstream) {
  const { title, version, apis } = upstream;
  say(`\n── ${title} ${version}`);
  let running;
  try {
    running = await upstream.start();
    await running.server?.ready(`${running.baseUrl}/models`);
    const rows = [];
    for (const api of apis) {
      rows.push(await tryApi(upstream, running, api));
    }
    return rows;
  } catch (error) {
    const skipped = error instanceof Missing;
    // A program that failed has printed why.
    console.log(`${error.output ?? ""}${skipped ? "skipped" : "FAILED"}: ${error.message}`);
    return apis.map((api) => ({ upstream, api, result: skipped ? "skipped" : "FAILED" }));
  } finally {
    await running?.server?.stop();
    await running?.stop?.();
  }
}

/** @returns {Promise<Row>} */
async function tryApi(upstream, running, api) {
  const started = performance.now();
  try {
    const turns = await converse(running, api);
    const seconds = (performance.now() - started) / 1000;
    say(`${api}: ok, ${turns} turns in ${seconds.toFixed(1)} s`);
    return { upstream, api, turns, seconds, result: "ok" };
  } catch (error) {
    const said = running.server?.tail();
    // An assertion says all by its words; anything else is a fault of ours.
    const ours = error.cause instanceof AssertionError ? "" : `\n${(error.cause ?? error).stack}`;
    const theirs = said ? `\nThe server said last:\n${said}` : "";
    console.log(`${api}: FAILED: ${error.message}${ours}${theirs}`);
    return { upstream, api, result: "FAILED" };
  }
}

/** @param {Row[]} rows */
function table(rows) {
  const head = ["upstream", "version", "API", "turns", "result", "seconds", "needs"];
  const lines = rows.map(({ upstream, api, turns, result, seconds }) => [
    upstream.title,
    upstream.version,
    api,
    `${turns ?? "-"}`,
    result,
    seconds?.toFixed(1) ?? "-",
    `${upstream.settings}${api === "responses" ? ", OPENAI_API=responses" : ""}`,
  ]);
  const widths = head.map((_, column) =>
    Math.max(...[head, ...lines].map((line) => line[column].length)),
  );
  const row = (line) => line.map((cell, column) => cell.padEnd(widths[column])).join("  ");
  return [row(head), row(widths.map((width) => "─".repeat(width))), ...lines.map(row)]
    .map((line) => line.trimEnd())
    .join("\n");
}
