/** The API reference in a real browser, served in front of the worker as production serves it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { visit } from "../support/browser.mjs";
import { read } from "../support/exchange.mjs";
import { frames } from "../support/frames.mjs";
import { startWorker } from "../support/harness.mjs";
import { document as api } from "../support/openapi.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const AXE = readFileSync(
  new URL("../../node_modules/axe-core/axe.min.js", import.meta.url),
  "utf8",
);
const TOKEN = "docs-token-0123456789";

/** What Swagger UI itself does wrong, and a plugin of it cannot mend. */
const UPSTREAMS_FAULTS = {
  "nested-interactive": "the headline of an operation is a button with buttons in it",
};

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

test("trying out health gets the worker's answer", async (t) => {
  const page = await open(t);
  const answer = await tryOut(page, "#operations-Health-health");
  assert.equal(answer.status, "200");
  assert.equal(JSON.parse(answer.body).status, "healthy");
});

test("trying out a chat gets the answer, once there is a token", async (t) => {
  const page = await open(t);
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

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 390]) {
    test(`it is readable for everybody: ${colorScheme}, ${width} px`, async (t) => {
      const page = await open(t, { colorScheme, viewport: { width, height: 900 } });
      await tryOut(page, "#operations-Chat-chat");
      await page.locator("details.headers summary").first().click();
      await page.locator("section.models h4 button").click();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
      assert.deepEqual(await seriousFindings(page), []);
    });
  }
}

test("it takes the colours of the system, also when they change", async (t) => {
  const page = await open(t, { colorScheme: "dark" });
  // The page hears of a change a moment after the browser does.
  const hasGround = (colour) =>
    page.waitForFunction(
      (wanted) =>
        getComputedStyle(document.querySelector(".swagger-ui")).backgroundColor === wanted,
      colour,
    );
  await hasGround("rgb(28, 32, 34)");
  await page.emulateMedia({ colorScheme: "light" });
  await hasGround("rgba(0, 0, 0, 0)");
});

test("it has the policy of the chat page", async () => {
  const policyOf = async (path) => (await app.get(path)).headers.get("content-security-policy");
  assert.notEqual(await policyOf("/docs"), null);
  assert.equal(await policyOf("/docs"), await policyOf("/"));
});

test("the notices of its parts are there", async (t) => {
  const page = await open(t);
  const link = page.getByRole("link", { name: "Notices of its parts" });
  const notices = await read(await app.get(await link.getAttribute("href")));
  assert.match(notices, /The MIT License \(MIT\)/);
});

/** @returns {Promise<import("playwright-core").Page>} */
async function open(t, options) {
  // A refused request is in the console too, and some are meant to be refused.
  const expected = /^Failed to load resource: .* 401 /;
  const { page } = await visit(t, `${app.url}/docs`, { expected, ...options });
  await page.locator(".opblock").first().waitFor();
  return page;
}

/** Executes an operation and reads the answer that came. */
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

async function seriousFindings(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ id, impact }) => ["serious", "critical"].includes(impact) && !UPSTREAMS_FAULTS[id])
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}
