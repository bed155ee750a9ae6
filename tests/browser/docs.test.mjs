/** The API reference in a real browser, served in front of the worker as production serves it. */
import assert from "node:assert/strict";
import test from "node:test";
import { findings } from "../support/axe.mjs";
import { visit } from "../support/browser.mjs";
import { read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { document as api } from "../support/openapi.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const TOKEN = "docs-token-0123456789";

/** In Swagger UI, the headline of an operation is a button that has buttons in it. A plugin cannot change that. */
const ACCEPTED = ["nested-interactive"];

const upstream = await startUpstream(answerWell);
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, ACCESS_TOKENS: TOKEN },
  { pages: true },
);

test("the reference shows every operation", async (t) => {
  const page = await open(t);
  const shown = await page.locator(".opblock-summary").evaluateAll((headlines) =>
    headlines.map((headline) => {
      const text = (part) => headline.querySelector(`.opblock-summary-${part}`).textContent;
      return `${text("method")} ${text("path").replaceAll("\u200b", "")}`;
    }),
  );
  const documented = Object.entries(api.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(shown.sort(), documented.sort());
});

test("an operation can be tried out, and with a token /chat too", async (t) => {
  const page = await open(t);
  const health = await tryOut(page, "#operations-Health-health");
  assert.equal(health.status, "200");
  assert.equal(JSON.parse(health.body).status, "healthy");

  const chat = "#operations-Chat-chat";
  const refused = await tryOut(page, chat);
  assert.equal(refused.status, "401");
  assert.equal(JSON.parse(refused.body).code, "unauthorized");

  await page.locator(".btn.authorize").click();
  await page.locator(".auth-container input").fill(TOKEN);
  await page.locator(".auth-btn-wrapper .authorize").click();
  await page.locator(".auth-btn-wrapper .btn-done").click();
  await page.locator(chat).getByPlaceholder("X-Correlation-Id").fill("from-docs");
  const answer = await tryOut(page, chat);
  assert.equal(answer.status, "200");
  assert.equal(
    answer.body.trimEnd(),
    frames("from-docs", ["Hi"], { finish_reason: "stop" }).trimEnd(),
  );
  assert.equal(upstream.calls.at(-1).body.messages.at(-1).content, "Hello");
});

test("no operation comes with a key or a place filled in, which would serve only once", async (t) => {
  const page = await open(t);
  const filled = async (id) => {
    const operation = page.locator(id);
    await operation.locator(".opblock-summary-control").click();
    await operation.locator(".execute").waitFor();
    const inputs = operation.locator(".parameters-col_description input");
    return inputs.evaluateAll((all) =>
      all.flatMap(({ placeholder, value }) => (value === "" ? [] : [placeholder])),
    );
  };
  assert.deepEqual(await filled("#operations-Chat-chat"), []);
  assert.deepEqual(await filled("#operations-Conversations-conversations"), ["limit"]);
  assert.deepEqual(await filled("#operations-Conversations-answer"), ["id"]);
});

// Themes and sizes do not depend on each other, so two looks cover both.
for (const [colorScheme, width] of [
  ["light", 1280],
  ["dark", 390],
]) {
  test(`the reference is accessible and fits: ${colorScheme}, ${width} px`, async (t) => {
    const page = await open(t, { colorScheme, viewport: { width, height: 900 } });
    await tryOut(page, "#operations-Chat-chat");
    await page.locator("details.headers summary").first().click();
    await page.locator("section.models h4 button").click();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
    assert.deepEqual(await findings(page, ACCEPTED), []);
  });
}

test("the reference follows the system's theme, even when it changes", async (t) => {
  const page = await open(t, { colorScheme: "dark" });
  // The page learns of a change a moment after the browser.
  const hasBackground = (colour) =>
    page.waitForFunction(
      (wanted) =>
        getComputedStyle(document.querySelector(".swagger-ui")).backgroundColor === wanted,
      colour,
    );
  await hasBackground("rgb(28, 32, 34)");
  await page.emulateMedia({ colorScheme: "light" });
  await hasBackground("rgba(0, 0, 0, 0)");
});

test("the reference has the chat page's content security policy", async () => {
  const policyOf = async (path) => (await app.get(path)).headers.get("content-security-policy");
  assert.notEqual(await policyOf("/docs"), null);
  assert.equal(await policyOf("/docs"), await policyOf("/"));
});

test("the third-party notices are served", async (t) => {
  const page = await open(t);
  const link = page.getByRole("link", { name: "Third-party notices" });
  const notices = await read(await app.get(await link.getAttribute("href")));
  assert.match(notices, /The MIT License \(MIT\)/);
});

/** @returns {Promise<import("playwright-core").Page>} */
async function open(t, options) {
  // The browser logs refused requests, and a test has one refused.
  const expected = /^Failed to load resource: .* 401 /;
  const { page } = await visit(t, `${app.url}/docs`, { expected, ...options });
  await page.locator(".opblock").first().waitFor();
  return page;
}

/** Executes an operation and reads the response. */
async function tryOut(page, id) {
  const operation = page.locator(id);
  if (!(await operation.locator(".execute").isVisible())) {
    await operation.locator(".opblock-summary-control").click();
  }
  const clear = operation.locator(".btn-clear");
  if (await clear.isVisible()) {
    await clear.click();
  }
  await operation.locator(".execute").click();
  const answer = operation.locator(".live-responses-table .response");
  const status = await answer.locator(".response-col_status").textContent();
  return {
    status: status.trim(),
    body: await answer.locator(".highlight-code code").first().textContent(),
  };
}
