/** Parts of the page that are loaded when they are needed, and hang. */
import assert from "node:assert/strict";
import test from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { ended, settle } from "../support/late.mjs";
import { OWNERS, sidebarOf, somebody } from "../support/sidebar.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, ...OWNERS },
  { owners: true, pages: true },
);
const nobody = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });
const TITLE = "Tell me about bridges";

const PARTS = {
  "the settings": {
    file: "**/settings-dialog-*",
    ask: (page) => page.getByRole("button", { name: "Settings" }).click(),
    coming: "Loading the settings…",
    failed: "The settings could not be loaded. Check that you are online, or reload the page.",
    isThere: (page) => page.getByRole("dialog", { name: "Settings" }).waitFor(),
  },
  "the list of models": {
    file: "**/assets/model-list-*",
    ask: (page) => page.getByRole("button", { name: "house" }).click(),
    coming: "Loading the models…",
    failed: "The models could not be loaded. Check that you are online, or reload the page.",
    isThere: (page) => page.getByRole("listbox", { name: "Models" }).waitFor(),
  },
  "an export": {
    file: "**/assets/download-*",
    ask: (page) => sidebarOf(page).choose(TITLE, "Export as Markdown"),
    coming: "Exporting…",
    failed: "The conversation could not be exported. No connection. Check that you are online",
    isThere: (_, downloading) => downloading,
  },
};

test("what it takes to keep conversations in the browser is waited for with a word, and works once it comes", async (t) => {
  const { page } = await visit(t, `${nobody.url}/health`, { expected: /404/ });
  const hanging = Promise.withResolvers();
  await page.route("**/assets/here-*", (route) => hanging.resolve(route));
  await page.clock.install();
  await page.goto(nobody.url);
  const route = await hanging.promise;
  await say(page, "Tell me all the same");
  const { toast } = sidebarOf(page);
  assert.equal(await toast.isVisible(), false);
  await page.clock.runFor(10_000);
  await toast
    .getByText(
      "Your conversations have not loaded yet. Check that you are online, or reload the page.",
    )
    .waitFor();
  await route.continue();
  await exchangeOn(page).is("done");
  await sidebarOf(page).has(1);
});

test("a part that comes late does not interrupt whoever has gone on", async (t) => {
  const { page } = await visit(t, `${nobody.url}/health`, { expected: /404/ });
  const file = "**/assets/model-list-*";
  const hanging = Promise.withResolvers();
  await page.route(file, (route) => hanging.resolve(route));
  await page.goto(nobody.url);
  await page.getByRole("button", { name: "house" }).click();
  const route = await hanging.promise;
  await page.getByLabel("Message", { exact: true }).focus();
  const come = ended(page, (it) => it.url().includes("/assets/model-list-"));
  await route.continue();
  await come;
  await settle(page);
  const list = page.getByRole("listbox", { name: "Models" });
  assert.equal(await list.isVisible(), false);
  await page.getByRole("button", { name: "house" }).click();
  await list.waitFor();
});

for (const [name, { file, ask, coming, failed, isThere }] of Object.entries(PARTS)) {
  test(`${name}: a file that hangs is waited for with a word, but not for ever, and works once it comes`, async (t) => {
    const me = somebody(app, upstream);
    await me.keep(TITLE);
    const { page } = await visit(t, `${app.url}/health`, { ...me.signedIn, expected: /404/ });
    const hanging = Promise.withResolvers();
    await page.route(file, (route) => hanging.resolve(route));
    await page.clock.install();
    await page.goto(app.url);
    const sidebar = sidebarOf(page);
    await sidebar.has(1);
    await ask(page);
    const route = await hanging.promise;
    assert.equal(await sidebar.toast.isVisible(), false);
    await page.clock.runFor(1000);
    await sidebar.toast.getByText(coming).waitFor();
    await page.clock.runFor(9000);
    await sidebar.toast.getByText(failed).waitFor();
    const downloading = page.waitForEvent("download").catch(() => {});
    await ask(page);
    await page.clock.runFor(1000);
    await route.continue();
    await isThere(page, downloading);
    await sidebar.toast.getByText(coming).waitFor({ state: "hidden" });
  });
}
