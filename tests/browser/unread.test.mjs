/** Answers that began here, and whose end the page did not read. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const TOKEN = "owner-token-0123456789";
const server = await startKeptPage(upstream);
const locked = await startKeptPage(upstream, { ACCESS_TOKENS: `me:${TOKEN}` });
/** Browsers log every connection that fails. */
const expected = /^Failed to load resource|error occurred when fetching the script/;

beforeEach(() => upstream.reset());

const end = [finish("stop"), done];
const questions = (page) => page.locator(".question p").allTextContents();

/** Has an answer begin. */
async function begin(page, question, start) {
  await say(page, question);
  const call = await upstream.nextCall();
  call.write(delta(start));
  await exchangeOn(page).shows(start);
  return call;
}

async function goOffline(page) {
  await page.context().setOffline(true);
  await exchangeOn(page).status.filter({ hasText: "You are offline" }).waitFor();
}

/** Has an answer begin that the page may not read to its end, since its access token is refused meanwhile. */
async function beginInVain(page) {
  await page.getByLabel("Your token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  const call = await begin(page, "The first", "One");
  const setToken = (token) =>
    page.evaluate((text) => sessionStorage.setItem("access-token", text), JSON.stringify(token));
  await setToken("not-the-token-any-more");
  await goOffline(page);
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Not now" }).click();
  await exchangeOn(page).is("failed");
  await setToken(TOKEN);
  return call;
}

test("a question behind an answer that was not read to its end follows that answer", async (t) => {
  const { page } = await visit(t, locked.url, { expected });
  const first = await beginInVain(page);
  await say(page, "The second");
  first.end(delta(", two"), ...end);
  const second = await upstream.nextCall();
  assert.deepEqual(
    second.body.messages.slice(1).map(({ content }) => content),
    ["The first", "One, two", "The second"],
  );
  second.end(...answer("Three"));
  await exchangeOn(page, 1).is("done");
  await page.reload();
  await exchangeOn(page, 1).shows("Three");
  assert.deepEqual(await questions(page), ["The first", "The second"]);
});

test("what an answer has grown by since its reading was given up goes on in its sentence", async (t) => {
  const { page } = await visit(t, locked.url, { expected });
  const first = await beginInVain(page);
  first.end(delta(", two"), ...end);
  await first.closed;
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await exchangeOn(page).is("done");
  await exchangeOn(page).shows("two");
  assert.deepEqual(await exchangeOn(page).answer.locator("p").allTextContents(), ["One, two"]);
});

for (const [what, hasCopy] of [
  ["its conversation cannot be had", false],
  ["there is only an old copy of its conversation", true],
]) {
  test(`an answer that is over is no failed one while ${what}`, async (t) => {
    const { page } = await visit(t, server.url, { expected });
    if (hasCopy) {
      await say(page, "Before all");
      (await upstream.nextCall()).end(...answer("Yes"));
      await exchangeOn(page).is("done");
      await page.reload();
      await exchangeOn(page).shows("Yes");
    }
    const call = await begin(page, "The last", "One");
    await goOffline(page);
    call.end(delta(", two"), ...end);
    await call.closed;
    await page.route("**/answers/**", (route) => route.fulfill({ status: 204 }));
    await page.route("**/conversations/*", (route) => route.abort());
    await page.context().setOffline(false);
    await exchangeOn(page).status.filter({ hasText: "Connection lost" }).waitFor();
    await page.unroute("**/conversations/*");
    await exchangeOn(page).element.getByRole("button", { name: "Try now" }).click();
    await exchangeOn(page).is("done");
    await exchangeOn(page).shows("One, two");
    assert.equal(await exchangeOn(page).failure.isVisible(), false);
  });
}
