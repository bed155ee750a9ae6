/** Modules that could not be had when they were first asked for. No browser is needed. */
import assert from "node:assert/strict";
import test from "node:test";
import { imported } from "../../public/chat/imported.js";

const url = new URL("../../public/chat/timeout.js", import.meta.url).href;

test("a module that Firefox does not ask for again is asked for under another address", async () => {
  const load = async () => {
    throw new TypeError(`error loading dynamically imported module: ${url}`);
  };
  const { withTimeout } = await imported(load);
  assert.equal(await withTimeout(Promise.resolve(1), 1000), 1);
});

test("what the module shares with others is never taken for it", async () => {
  const failure = new TypeError(
    "error loading dynamically imported module: https://example.com/assets/chunk-SO2NVDPJ.js",
  );
  const load = async () => {
    throw failure;
  };
  await assert.rejects(imported(load), failure);
});

test("where a browser asks again by itself, nothing else is asked for", async () => {
  const module = {};
  assert.equal(await imported(async () => module), module);
  const failure = new TypeError(`Failed to fetch dynamically imported module: ${url}`);
  const load = async () => {
    throw failure;
  };
  await assert.rejects(imported(load), failure);
});
