/** Staying signed in, the choice of a model, and what the settings do with all conversations. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { OWNERS, sidebarOf, somebody } from "../support/sidebar.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const bindings = { OPENAI_BASE_URL: upstream.url, OPENAI_MODEL: "house", ...OWNERS };
const app = await startWorker(bindings, { owners: true, pages: true });
const keepsNothing = await startWorker(bindings, { pages: true });
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

const dialog = (page) => page.getByRole("dialog", { name: "Access token" });
const settings = (page) => page.getByRole("button", { name: "Settings" });
const stored = (page) =>
  page.evaluate(() =>
    [sessionStorage, localStorage].map((storage) => storage.getItem("access-token")),
  );

async function enter(page, token, { remember = false } = {}) {
  await page.getByLabel("Your token").fill(token);
  if (remember) await page.getByLabel("Remember on this device").check();
  await page.getByRole("button", { name: "Continue" }).click();
  await dialog(page).waitFor({ state: "hidden" });
}

test("the token is kept for the tab alone unless it is to be remembered", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, { expected });
  await dialog(page).waitFor();
  assert.equal(await page.getByLabel("Remember on this device").isChecked(), false);
  await page.getByText("Leave this off on a shared computer.").waitFor();
  await enter(page, me.token);
  await sidebarOf(page).has(1);
  assert.deepEqual(await stored(page), [JSON.stringify(me.token), null]);
  const tab = await page.context().newPage();
  await tab.goto(app.url);
  await dialog(tab).waitFor();
});

test("a token that is remembered signs in every tab, until somebody signs out", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges", { answer: "They carry loads" });
  const { page } = await visit(t, app.url, { expected });
  await enter(page, me.token, { remember: true });
  await sidebarOf(page).has(1);
  assert.deepEqual(await stored(page), [null, JSON.stringify(me.token)]);
  await page.goto(`${app.url}/c/${id}`);
  await exchangeOn(page).shows("They carry loads");
  await page.getByLabel("Message", { exact: true }).fill("Not for everybody");
  const tab = await page.context().newPage();
  await tab.goto(`${app.url}/c/${id}`);
  await exchangeOn(tab).shows("They carry loads");
  // As a tab leaves it that could not stop an answer any more.
  await tab.evaluate(() => localStorage.setItem("stops", '["answer"]'));

  await settings(tab).click();
  await tab.getByText("This device remembers your access token.").waitFor();
  await tab.getByRole("button", { name: "Sign out" }).click();
  for (const each of [tab, page]) {
    await each.waitForURL(`${app.url}/`);
    await dialog(each).waitFor();
    assert.equal(await each.getByLabel("Message", { exact: true }).inputValue(), "");
    assert.equal(await each.locator(".exchange").count(), 0);
  }
  assert.deepEqual(await stored(tab), [null, null]);
  const isDraft = (key) => key.startsWith("draft");
  const saved = await page.evaluate(() => Object.keys(localStorage));
  assert.deepEqual(saved.filter(isDraft), []);
  assert.equal(await tab.evaluate(() => localStorage.getItem("stops")), null);
  const copies = await tab.evaluate(async () => {
    const database = await new Promise((resolve) => {
      const request = indexedDB.open("assistant");
      request.onsuccess = () => resolve(request.result);
    });
    if (!database.objectStoreNames.contains("copies")) return 0;
    const count = database.transaction("copies").objectStore("copies").count();
    return new Promise((resolve) => {
      count.onsuccess = () => resolve(count.result);
    });
  });
  assert.equal(copies, 0, "nothing can be read offline after signing out");
});

test("whoever hears late that somebody has signed out leaves what the next one has", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges", { answer: "They carry loads" });
  const { page } = await visit(t, `${app.url}/c/${id}`, { expected });
  await enter(page, me.token);
  await exchangeOn(page).shows("They carry loads");
  await page.getByLabel("Message", { exact: true }).fill("Not for everybody");
  const next = somebody(app, upstream);
  const tab = await page.context().newPage();
  await tab.goto(app.url);
  await enter(tab, next.token, { remember: true });
  await tab.getByLabel("Message", { exact: true }).fill("A draft of the next one");
  await tab.evaluate((id) => localStorage.removeItem(`draft ${id}`), id);
  // As if this had come from a third one, and waited for a page that was frozen.
  const left = page.waitForURL(`${app.url}/`);
  await tab.goto(`${app.url}/health`);
  await tab.evaluate(() => new BroadcastChannel("sign-out").postMessage(""));
  await left;
  await page.waitForFunction(
    () => document.querySelector("#message")?.value !== "Not for everybody",
  );
  assert.deepEqual(await stored(page), [null, JSON.stringify(next.token)]);
  const drafts = await page.evaluate(() =>
    Object.entries(localStorage).filter(([key]) => key.startsWith("draft")),
  );
  assert.deepEqual(drafts, [["draft ", '"A draft of the next one"']]);
});

test("signing out says that it waits for a deletion, and then leaves a page that cannot be gone back to", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, { ...me.signedIn, expected });
  await sidebarOf(page).has(1);
  const { promise, resolve } = Promise.withResolvers();
  await page.route("**/conversations/*", (route) => resolve(route));
  await sidebarOf(page).choose("Tell me about bridges", "Delete");
  await settings(page).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  const deletion = await promise;
  assert.equal(await page.getByRole("button", { name: "Signing out…" }).isDisabled(), true);
  assert.deepEqual(await stored(page), [null, JSON.stringify(me.token)]);
  // The page is still there when it is gone back to before the next one has come.
  const devtools = await page.context().newCDPSession(page);
  const leaving = Promise.withResolvers();
  await page.context().route(`${app.url}/`, (route) => leaving.resolve(route), { times: 1 });
  await deletion.continue();
  await leaving.promise;
  const expression = 'dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))';
  await devtools.send("Runtime.evaluate", { expression });
  await dialog(page).waitFor();
  assert.deepEqual(await me.ids(), []);
});

test("whoever enters no token can do so later, from the list", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  const { page } = await visit(t, app.url, { expected });
  await page.getByRole("button", { name: "Not now" }).click();
  const sidebar = sidebarOf(page);
  await sidebar.element.getByRole("button", { name: "Enter your access token" }).click();
  await enter(page, me.token);
  await sidebar.has(1);
});

test("password managers understand the form, and the token gets into no address", async (t) => {
  const { page } = await visit(t, app.url, { expected });
  const form = dialog(page).locator("form");
  assert.equal(await form.getAttribute("method"), "post");
  const fields = await form
    .locator("input:not([type=checkbox])")
    .evaluateAll((all) => all.map(({ type, name, autocomplete }) => [type, name, autocomplete]));
  assert.deepEqual(fields, [
    ["text", "username", "username"],
    ["password", "password", "current-password"],
  ]);
  const username = form.locator("[autocomplete=username]");
  assert.equal(await username.inputValue(), "Assistant");
  await page.getByLabel("Your token").press("Shift+Tab");
  const isFocused = await username.evaluate((it) => it === document.activeElement);
  assert.equal(isFocused, false, "the keyboard passes over the field that is for them alone");
  await page.getByLabel("Your token").fill("wrong-token-0123456789");
  await page.getByLabel("Your token").press("Enter");
  await page.getByText("That token was not accepted.").waitFor();
  assert.equal(page.url(), `${app.url}/`);
});

const MODELS = { models: [{ id: "small" }, { id: "house" }, { id: "large" }], default: "house" };
const serve = (page, json, status = 200) =>
  page.route("**/models", (route) => route.fulfill({ json, status }));
const picker = (page) => page.locator("#choose-model");

test("the model is chosen from those that there are, and remembered", async (t) => {
  const me = somebody(app, upstream);
  const { page } = await visit(t, app.url, me.signedIn);
  await serve(page, MODELS);
  await page.reload();
  await picker(page).filter({ hasText: "house" }).click();
  await page.getByRole("listbox").waitFor();
  const options = page.getByRole("option");
  assert.deepEqual(await options.allTextContents(), ["house", "small", "large"]);
  assert.equal(await page.getByRole("option", { selected: true }).textContent(), "house");
  await page.getByRole("option", { name: "large" }).click();
  assert.equal(await page.getByRole("listbox").isVisible(), false);
  await say(page, "Hello there");
  await exchangeOn(page).is("done");
  assert.equal(upstream.calls.at(-1).body.model, "large");
  await page.reload();
  await picker(page).filter({ hasText: "large" }).focus();
  // By keyboard: up to the default, which is then not written down.
  await page.keyboard.press("Enter");
  await page.getByRole("listbox").waitFor();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await picker(page).filter({ hasText: "house" }).waitFor();
  assert.ok(await picker(page).evaluate((it) => it === document.activeElement));
  const kept = await page.evaluate(() => JSON.parse(localStorage.getItem("settings")));
  assert.equal(kept.model, undefined);
});

test("many models can be filtered by a part of their names; one that is gone stays until another is chosen", async (t) => {
  const me = somebody(app, upstream);
  const { page } = await visit(t, app.url, me.signedIn);
  const models = Array.from({ length: 100 }, (_, index) => ({ id: `maker/model-${index}` }));
  await serve(page, { models, default: "maker/model-0" });
  await page.evaluate(() => localStorage.setItem("settings", '{"model":"gone"}'));
  await page.reload();
  await picker(page).filter({ hasText: "gone" }).click();
  await page.getByLabel("Find a model").fill("nothing like it");
  await page.getByText("No model has this in its name.").waitFor();
  await page.getByLabel("Find a model").fill("-77");
  assert.deepEqual(await page.getByRole("option").allTextContents(), ["maker/model-77"]);
  await page.keyboard.press("Enter");
  await picker(page).filter({ hasText: "maker/model-77" }).click();
  assert.equal(await page.getByRole("option").count(), 100);
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("listbox").isVisible(), false);
});

test("a phone's keyboard does not close the list, and a turned phone does", async (t) => {
  const me = somebody(app, upstream);
  const { page } = await visit(t, app.url, {
    ...me.signedIn,
    viewport: { width: 390, height: 800 },
  });
  const models = Array.from({ length: 20 }, (_, index) => ({ id: `maker/model-${index}` }));
  await serve(page, { models, default: "maker/model-0" });
  await page.reload();
  await picker(page).click();
  const list = page.getByRole("listbox");
  await list.waitFor();
  await page.setViewportSize({ width: 390, height: 480 });
  await page.waitForFunction(() => innerHeight === 480);
  await page.getByRole("option", { name: "maker/model-3", exact: true }).click();
  await picker(page).filter({ hasText: "maker/model-3" }).click();
  await list.waitFor();
  await page.setViewportSize({ width: 800, height: 390 });
  await list.waitFor({ state: "hidden" });
});

test("the list is the service's own", async (t) => {
  const choosing = await startWorker(
    { ...bindings, ALLOWED_MODELS: "small,large" },
    { pages: true },
  );
  const me = somebody(choosing, upstream);
  const { page } = await visit(t, choosing.url, { ...me.signedIn, expected });
  await page.context().unroute("**/models");
  await page.reload();
  await picker(page).filter({ hasText: "house" }).click();
  await page.getByRole("listbox").waitFor();
  const names = await page.getByRole("option").allTextContents();
  assert.deepEqual(names.toSorted(), ["house", "large", "small"]);
});

test("where there is no list, the settings take the model's name", async (t) => {
  const me = somebody(app, upstream);
  const { page } = await visit(t, app.url, { ...me.signedIn, expected });
  for (const [status, json] of [
    [404, { error: "Not found", detail: "", code: "not_found" }],
    [200, { models: "none" }],
    [200, { models: [{ id: "house" }], default: "house" }],
  ]) {
    await serve(page, json, status);
    const asked = page.waitForResponse("**/models");
    await page.reload();
    await asked;
    await settings(page).click();
    await page.getByLabel("Model", { exact: true }).fill("by-name");
    await page.getByRole("button", { name: "Save" }).click();
    await page.unroute("**/models");
  }
  await say(page, "Hello there");
  await exchangeOn(page).is("done");
  assert.equal(upstream.calls.at(-1).body.model, "by-name");
});

test("everything can be exported", async (t) => {
  const me = somebody(app, upstream);
  await me.keep("Tell me about bridges");
  await me.keep("Tell me about tunnels");
  const { page } = await visit(t, app.url, me.signedIn);
  await sidebarOf(page).has(2);
  await settings(page).click();
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export everything" }).click();
  const file = await downloading;
  assert.match(file.suggestedFilename(), /^conversations-\d{4}-\d\d-\d\d\.jsonl$/);
  const lines = readFileSync(await file.path(), "utf8")
    .trim()
    .split("\n");
  const titles = lines.map((line) => JSON.parse(line).title).filter(Boolean);
  assert.deepEqual(titles.toSorted(), ["Tell me about bridges", "Tell me about tunnels"]);
});

test("everything is deleted only when that is confirmed in words", async (t) => {
  const me = somebody(app, upstream);
  const id = await me.keep("Tell me about bridges", { answer: "They carry loads" });
  const { page } = await visit(t, `${app.url}/c/${id}`, { ...me.signedIn, expected });
  const sidebar = sidebarOf(page);
  await exchangeOn(page).shows("They carry loads");
  await settings(page).click();
  await page.getByRole("button", { name: "Delete everything" }).click();
  const confirm = page.getByRole("dialog", { name: "Delete all conversations?" });
  const words = confirm.getByRole("textbox");
  await words.fill("yes");
  await words.press("Enter");
  await confirm.getByRole("alert").filter({ hasText: "Enter “delete everything”" }).waitFor();
  assert.deepEqual(await me.ids(), [id]);

  await page.route("**/conversations", (route) => route.abort());
  await words.fill("Delete everything");
  await words.press("Enter");
  await confirm.getByRole("alert").filter({ hasText: "could not be deleted" }).waitFor();
  await page.unroute("**/conversations");
  await words.press("Enter");
  await confirm.waitFor({ state: "hidden" });
  await sidebar.has(0);
  await page.getByRole("heading", { name: "What can I help you with?" }).waitFor();
  assert.deepEqual(await me.ids(), []);
});

test("where the service keeps nothing, the browser does, and the page says so", async (t) => {
  const me = somebody(keepsNothing, upstream);
  const { page } = await visit(t, keepsNothing.url, { ...me.signedIn, expected });
  const sidebar = sidebarOf(page);
  await sidebar.element.getByText("Kept in this browser only").waitFor();
  await say(page, "Tell me about bridges");
  await exchangeOn(page).is("done");
  await sidebar.has(1);
  await page.reload();
  await sidebar.link("Tell me about bridges").click();
  await exchangeOn(page).shows("Hi");
  await sidebar.search.fill("bridge");
  await sidebar.element.locator(".title mark").waitFor();
  await sidebar.choose("Tell me about bridges", "Delete");
  await page.goto(`${keepsNothing.url}/health`);
  await page.goto(keepsNothing.url);
  await sidebar.element.getByText("Your conversations will be listed here").waitFor();
});

const HOSTILE =
  "You are *kind*.\n\n<img src=x onerror=alert(1)></p><script>alert(2)</script> \u202eevil " +
  "x".repeat(3000);

test("the settings show what the assistant is told first, as plain text, where the service shows it", async (t) => {
  const { page } = await visit(t, app.url, somebody(app, upstream).signedIn);
  await settings(page).click();
  const part = page.locator("#settings-instructions");
  assert.equal(await part.isVisible(), false, "this service does not show it");
  await page.keyboard.press("Escape");
  for (const [prompt, isShown] of [
    [HOSTILE, true],
    ["", false],
    [7, false],
    [null, false],
    ["Be brief.", true],
  ]) {
    await serve(page, { ...MODELS, system_prompt: prompt });
    await page.reload();
    await page.locator("#choose-model").waitFor();
    await settings(page).click();
    await page.getByRole("dialog").waitFor();
    assert.equal(await part.isVisible(), isShown, `${prompt}`.slice(0, 20));
    if (!isShown) continue;
    const text = part.getByRole("region", { name: "Instructions" });
    assert.equal(await text.isVisible(), false, "it is folded");
    await part.getByText("Instructions the assistant was given").click();
    assert.equal(await text.textContent(), prompt);
    assert.equal(await text.evaluate((element) => element.childElementCount), 0);
  }
});

test("settings that do not load say so, and load the next time", async (t) => {
  const { page } = await visit(t, app.url, {
    ...somebody(app, upstream).signedIn,
    expected: /^Failed to load resource/,
  });
  await page.route("**/settings-dialog-*", (route) => route.abort(), { times: 1 });
  await settings(page).click();
  await page.getByText("The settings could not be loaded. Check that you are online").waitFor();
  await settings(page).click();
  await page.getByRole("dialog").waitFor();
});
