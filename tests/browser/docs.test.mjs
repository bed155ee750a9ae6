/** The API reference in a real browser, served in front of the worker as production serves it. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { findings } from "../support/axe.mjs";
import { visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { document as api } from "../support/openapi.mjs";
import { operationOn } from "../support/reference.mjs";
import { delta, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

const documented = Object.entries(api.paths).flatMap(([path, operations]) =>
  Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
);
const isFolded = (operation) => /^(HEAD|OPTIONS) /.test(operation);

test("the reference shows every operation, and folds those that programs rarely send", async (t) => {
  const { page } = await visit(t, `${app.url}/docs`);
  const routes = page.locator(".route");
  const all = await routes.allTextContents();
  assert.deepEqual(all.toSorted(), documented.toSorted());
  const seen = await routes.filter({ visible: true }).allTextContents();
  assert.deepEqual(seen.toSorted(), documented.filter((each) => !isFolded(each)).toSorted());
  await page.getByText("HEAD and OPTIONS").click();
  assert.equal(await routes.filter({ visible: true }).count(), documented.length);
});

test("operations come before prose", async (t) => {
  const { page } = await visit(t, `${app.url}/docs`);
  const titles = await page.locator("main h2").allTextContents();
  assert.deepEqual(titles.slice(-3), ["What every request shares", "Schemas", "Response headers"]);
  assert.equal(titles[0], "Chat");
});

test("each operation tells its parameters, its fields, and every response with its examples", async (t) => {
  const { page } = await visit(t, `${app.url}/docs`);
  const chat = operationOn(page, "chat");
  const { post } = api.paths["/chat"];
  const names = await chat.element.locator(".about dt > code").allTextContents();
  const { properties } = api.components.schemas.ChatRequest;
  for (const name of [...Object.keys(properties), "Idempotency-Key", "Last-Event-ID"]) {
    assert.ok(names.includes(name), name);
  }
  const statuses = await chat.element.locator(".response .status").allTextContents();
  assert.deepEqual(statuses, Object.keys(post.responses));
  const conflict = chat.element.locator(".response", { hasText: "409" });
  await conflict.locator("summary").click();
  for (const { value } of Object.values(post.responses[409].content["application/json"].examples)) {
    assert.ok((await conflict.textContent()).includes(value.detail), value.detail);
  }
});

test("every link within the reference leads somewhere", async (t) => {
  const { page } = await visit(t, `${app.url}/docs`);
  const lost = await page
    .locator('a[href^="#"]')
    .evaluateAll((links) =>
      links.map((link) => link.hash.slice(1)).filter((id) => !document.getElementById(id)),
    );
  assert.deepEqual(lost, []);
});

test("an address opens what is folded", async (t) => {
  const { page } = await visit(t, `${app.url}/docs#healthHead`);
  await operationOn(page, "healthHead").element.waitFor();
});

test("without JavaScript, the reference can be read, and shows nothing that would not work", async (t) => {
  const { page } = await visit(t, `${app.url}/docs`, { javaScriptEnabled: false });
  assert.ok((await page.locator(".route").filter({ visible: true }).count()) > 10);
  assert.equal(await page.getByRole("button").filter({ visible: true }).count(), 0);
  const code = page.locator("#health .snippets pre").filter({ visible: true });
  assert.match(await code.textContent(), /^curl .*\/health'$/);
  await page.locator("#health .snippets").getByText("Python").click();
  assert.match(await code.textContent(), /^# pip install httpx\nimport httpx/);
});

test("snippets follow the form, and a language holds everywhere, also after a reload", async (t) => {
  const { page } = await visit(t, `${app.url}/docs`);
  const list = operationOn(page, "conversations");
  assert.match(await list.code(), new RegExp(`^curl '${app.url}/conversations' `));
  const one = operationOn(page, "stop");
  assert.match(
    await one.code(),
    /\/answers\/9b2f7c1e\/stop'/,
    "an example stands for what is needed",
  );
  await one.field("id").fill("a1");
  assert.match(await one.code(), /\/answers\/a1\/stop'/);
  await list.field("q").fill("two words & more");
  await list.field("limit").fill("5");
  assert.match(await list.code(), /\/conversations\?q=two\+words\+%26\+more&limit=5'/);
  await list.element.getByText("JavaScript").click();
  assert.match(await list.code(), /await fetch\("http.*limit=5", \{/);
  assert.match(await operationOn(page, "chat").code(), /EventSourceParserStream/);
  await page.reload();
  assert.match(await operationOn(page, "stop").code(), /^const \{ CHAT_TOKEN = "none" \}/);
});

test("a snippet is copied as it stands", async (t) => {
  const { page } = await visit(t, `${app.url}/docs`, {
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const health = operationOn(page, "health");
  await health.element.getByRole("button", { name: "Copy" }).click();
  await health.element.getByRole("button", { name: "Copied" }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, `curl '${app.url}/health'`);
});

test("the reference has the chat page's content security policy", async () => {
  const policyOf = async (path) => (await app.get(path)).headers.get("content-security-policy");
  assert.notEqual(await policyOf("/docs"), null);
  assert.equal(await policyOf("/docs"), await policyOf("/"));
});

// Themes and sizes do not depend on each other, so two looks cover both.
for (const [colorScheme, width] of [
  ["light", 1280],
  ["dark", 390],
]) {
  test(`the reference is accessible: ${colorScheme}, ${width} px`, async (t) => {
    const expected = /^Failed to load resource/;
    const options = { colorScheme, viewport: { width, height: 900 }, expected };
    const { page } = await visit(t, `${app.url}/docs`, options);
    await showAll(page);
    // The same again, only for other methods.
    await page.locator("#rest").evaluate((rest) => rest.remove());
    assert.deepEqual(await findings(page), []);
  });
}

test("the reference fits on every size, with all of it unfolded", async (t) => {
  const expected = /^Failed to load resource/;
  const { page } = await visit(t, `${app.url}/docs`, { expected });
  await showAll(page);
  for (const width of [1600, 1280, 768, 390, 320]) {
    await page.setViewportSize({ width, height: 900 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
  }
});

/** Unfolds everything, and has one operation refused and an answer fail in the middle. */
async function showAll(page) {
  await page.locator("main details").evaluateAll((all) => {
    for (const each of all) each.open = true;
  });
  const refused = operationOn(page, "conversations");
  await refused.send();
  await refused.status("409 Conflict");
  const chat = operationOn(page, "chat");
  await chat.send();
  (await upstream.nextCall()).end(delta("Hi"));
  await chat.status("then the error upstream_truncated");
}

test("all of an operation is reached and used by keyboard", async (t) => {
  const { page } = await visit(t, `${app.url}/docs#health`);
  const health = operationOn(page, "health");
  await health.element.getByRole("button", { name: "Send" }).focus();
  await page.keyboard.press("Enter");
  // Until the whole answer is there, its Cancel comes next.
  await health.status(/^200 OK .* in all$/);
  await page.keyboard.press("Tab");
  assert.match(await page.evaluate(() => document.activeElement.textContent), /"healthy"/);
  await health.element.getByRole("radio", { name: "curl" }).focus();
  await page.keyboard.press("ArrowRight");
  assert.match(await health.code(), /^const response = await fetch/);
});
