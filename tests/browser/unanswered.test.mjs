/** A conversation whose only question has failed before its answer began: nobody keeps it but the page that has asked. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { sidebarOf } from "../support/sidebar.mjs";
import { answer, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const bindings = { OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "0", HEARTBEAT_SECONDS: "0.3" };
const app = await startWorker(bindings, { pages: true });
const keeping = await startWorker(
  { ...bindings, ANONYMOUS_OWNER: "true" },
  { pages: true, owners: true },
);

/** Browsers log every response that is not a success. */
const expected = /^Failed to load resource/;
const QUESTION = "Will anybody answer?";
const ALL = ["Rename", "Export as Markdown", "Delete"];

beforeEach(() => upstream.reset());

async function openMenu(page) {
  const { element, link } = sidebarOf(page);
  await link(QUESTION).hover();
  await element.getByRole("button", { name: `Options for ${QUESTION}` }).click();
  await page.getByRole("menuitem", { name: "Delete" }).waitFor();
}

/** What the menu offers. */
async function offered(page) {
  await openMenu(page);
  const names = await page.getByRole("menuitem").allTextContents();
  await page.keyboard.press("Escape");
  return names;
}

for (const [who, { url }] of [
  ["the service", keeping],
  ["this browser", app],
]) {
  /** Has the only question of a conversation fail. */
  const fail = async (t) => {
    const { page } = await visit(t, url, { expected });
    await say(page, QUESTION);
    (await upstream.nextCall()).respond(500, { error: {} });
    await exchangeOn(page).is("failed");
    return page;
  };

  test(`where ${who} keeps the conversations, one without an answer has no title to change and nothing to export yet`, async (t) => {
    const page = await fail(t);
    assert.deepEqual(await offered(page), ["Delete"]);
    await page.reload();
    await exchangeOn(page).is("failed");
    assert.deepEqual(await offered(page), ["Delete"]);
    await exchangeOn(page).retry.click();
    const call = await upstream.nextCall();
    assert.deepEqual(await offered(page), ALL, "what is on its way is kept");
    call.end(...answer("I do"));
    await exchangeOn(page).is("done");
    assert.deepEqual(await offered(page), ALL);
    await sidebarOf(page).choose(QUESTION, "Rename");
    await page.getByLabel("Title").fill("Somebody did");
    await page.getByLabel("Title").press("Enter");
    // The list shows it at once, the title of the page once it is kept.
    await page.waitForFunction(() => document.title.startsWith("Somebody did"));
    await page.reload();
    await sidebarOf(page).link("Somebody did").waitFor();
  });

  test(`where ${who} keeps the conversations, one without an answer is deleted with its title, and Undo brings its question back`, async (t) => {
    const page = await fail(t);
    const { link, toast } = sidebarOf(page);
    assert.equal(await page.title(), `${QUESTION} – Assistant`);
    await openMenu(page);
    // The only item has the focus, whichever key is pressed.
    for (const key of ["ArrowDown", "ArrowUp", "End", "Home"]) await page.keyboard.press(key);
    await page.keyboard.press("Enter");
    await link(QUESTION).waitFor({ state: "detached" });
    assert.equal(await page.title(), "Assistant");
    await toast.getByRole("button", { name: "Undo" }).click();
    await exchangeOn(page).is("failed");
    assert.equal(await exchangeOn(page).question.textContent(), QUESTION);
    assert.equal(await page.title(), `${QUESTION} – Assistant`);
    await sidebarOf(page).choose(QUESTION, "Delete");
    await toast.getByRole("button", { name: "Undo" }).press("Escape");
    await page.waitForFunction(() => Object.keys(localStorage).every((key) => !/^asks/.test(key)));
    await page.reload();
    await page.getByRole("heading", { name: "What can I help you with?" }).waitFor();
    assert.equal(await page.title(), "Assistant");
  });
}

test("a title that is entered while its question waits to be sent again is refused in plain words", async (t) => {
  const { page } = await visit(t, keeping.url, { expected });
  await say(page, QUESTION);
  (await upstream.nextCall()).respond(429, { error: {} }, { "retry-after": "50" });
  await exchangeOn(page).status.getByRole("button", { name: "Try now" }).waitFor();
  await sidebarOf(page).choose(QUESTION, "Rename");
  await page.getByLabel("Title").fill("Nobody does");
  await page.getByLabel("Title").press("Enter");
  await sidebarOf(page).toast.waitFor();
  assert.equal(
    await sidebarOf(page).toast.locator("span").textContent(),
    "The title could not be changed. This conversation has no answer yet, or is gone.",
  );
  await page.getByRole("button", { name: "Stop" }).click();
  await exchangeOn(page).is("stopped");
  assert.deepEqual(await offered(page), ["Delete"]);
});
