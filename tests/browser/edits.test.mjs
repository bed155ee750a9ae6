/** A question that is being edited, whatever happens to the page and on other devices. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, openTab, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const app = await startWorker(
  {
    OPENAI_BASE_URL: upstream.url,
    HEARTBEAT_SECONDS: "0.3",
    MAX_RETRIES: "0",
    ANONYMOUS_OWNER: "true",
  },
  { pages: true, owners: true },
);

beforeEach(() => upstream.reset());

const questions = (page) => page.locator(".question p").allTextContents();
const fieldOf = (page) => page.getByLabel("Edit your message");
const news = (page) => page.getByText("There is something newer here.");
const lookAgain = (page) => page.evaluate(() => dispatchEvent(new Event("online")));

async function converse(page, question, ...contents) {
  await say(page, question);
  (await upstream.nextCall()).end(...answer(...contents));
  await exchangeOn(page).is("done");
  await exchangeOn(page).shows(contents.join(""));
}

async function editTo(page, index, text) {
  await exchangeOn(page, index).edit.click();
  await fieldOf(page).fill(text);
}

/** Presses Enter twice, as quickly as on a machine that is never busy. */
function pressTwice(page) {
  return page.evaluate(() => {
    const options = { key: "Enter", bubbles: true, cancelable: true };
    for (const _ of [1, 2]) {
      const focused = document.activeElement;
      focused.dispatchEvent(new KeyboardEvent("keydown", options));
      // What the browser itself makes of the key.
      if (focused.matches("button")) focused.click();
    }
  });
}

/** Has another device edit the first question. */
async function branchElsewhere(t, url) {
  const { page: phone } = await visit(t, url);
  await exchangeOn(phone, 0).shows("One");
  await editTo(phone, 0, "The first, by phone");
  await fieldOf(phone).press("Enter");
  (await upstream.nextCall()).end(...answer("One, by phone"));
  await exchangeOn(phone).is("done");
}

test("an edit that was begun goes on after a reload, and in a conversation that is opened again", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  await converse(page, "The second", "Two");
  await editTo(page, 0, "The first, but better");
  await page.reload();
  await fieldOf(page).waitFor();
  assert.equal(await fieldOf(page).inputValue(), "The first, but better");
  await page.waitForFunction(() => document.activeElement.closest(".edit-question"));
  await page.getByRole("link", { name: "New conversation" }).click();
  await fieldOf(page).waitFor({ state: "detached" });
  await page.goBack();
  assert.equal(await fieldOf(page).inputValue(), "The first, but better");
  await fieldOf(page).press("Enter");
  (await upstream.nextCall()).end(...answer("One, but better"));
  await exchangeOn(page).shows("One, but better");
  await page.reload();
  await exchangeOn(page).shows("One, but better");
  assert.equal(await fieldOf(page).count(), 0, "an edit that was sent is over");
});

test("an edit that is given up does not come back", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  await editTo(page, 0, "No, rather not");
  await fieldOf(page).press("Escape");
  await page.reload();
  await exchangeOn(page).shows("One");
  assert.equal(await fieldOf(page).count(), 0);
});

test("an edit stays in sight when another device goes on elsewhere, and the news waits to be seen", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  await converse(page, "The second", "Two");
  await editTo(page, 1, "The second, but better");
  await branchElsewhere(t, page.url());
  await lookAgain(page);
  await news(page).waitFor();
  assert.deepEqual(await questions(page), ["The first", "The second"]);
  assert.equal(await fieldOf(page).inputValue(), "The second, but better");
  assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Edit your message");
  await page.getByRole("button", { name: "Show it" }).click();
  await exchangeOn(page).shows("One, by phone");
  assert.deepEqual(await questions(page), ["The first, by phone"]);
  assert.equal(await news(page).isVisible(), false);
  await page.getByRole("button", { name: "Previous version of the question" }).click();
  assert.equal(await fieldOf(page).inputValue(), "The second, but better");
});

test("an edit on an older branch is shown after a reload, with a way to what is newer", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  await editTo(page, 0, "The first, one day");
  await branchElsewhere(t, page.url());
  await page.reload();
  await fieldOf(page).waitFor();
  assert.equal(await fieldOf(page).inputValue(), "The first, one day");
  await page.getByRole("button", { name: "Show it" }).click();
  await exchangeOn(page).shows("One, by phone");
});

test("what goes on below an edit is shown without scrolling away from it", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  await editTo(page, 0, "The first, in peace");
  const { page: phone } = await visit(t, page.url());
  await exchangeOn(phone).shows("One");
  await say(phone, "The second");
  const call = await upstream.nextCall();
  call.write(delta("line\n\n".repeat(80)));
  await exchangeOn(phone).shows("line");
  await lookAgain(page);
  await exchangeOn(page, 1).shows("line");
  call.end(...answer("The end"));
  await exchangeOn(page).shows("The end");
  await exchangeOn(page).isDrawn();
  assert.equal(await news(page).isVisible(), false, "nothing is held back");
  assert.equal(await fieldOf(page).inputValue(), "The first, in peace");
  const isInSight = await fieldOf(page).evaluate((field) => {
    const { top, bottom } = field.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  });
  assert.equal(isInSight, true);
});

test("an edit of a question that failed is kept, also when that is tried again", async (t) => {
  const { page } = await visit(t, app.url, { expected: /^Failed to load resource/ });
  await say(page, "The first, in vain");
  (await upstream.nextCall()).respond(500, {});
  await exchangeOn(page).is("failed");
  await editTo(page, 0, "The first, with more luck");
  await exchangeOn(page).retry.click();
  (await upstream.nextCall()).respond(500, {});
  await exchangeOn(page).is("failed");
  await page.reload();
  await fieldOf(page).waitFor();
  assert.equal(await fieldOf(page).inputValue(), "The first, with more luck");
});

test("an edit that is sent with a second Enter sends nothing else", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  const message = page.getByLabel("Message", { exact: true });
  await message.fill("Half a thought");
  await editTo(page, 0, "The first, in haste");
  await pressTwice(page);
  (await upstream.nextCall()).end(...answer("One, in haste"));
  await exchangeOn(page).is("done");
  assert.equal(await message.inputValue(), "Half a thought");
  assert.deepEqual(await questions(page), ["The first, in haste"]);
});

test("an Enter that is held sends once, and nothing that gets the focus meanwhile", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  const message = page.getByLabel("Message", { exact: true });
  await message.fill("Half a thought");
  await exchangeOn(page, 0).edit.focus();
  // To press a key that is down already repeats it, as holding it does.
  await page.keyboard.down("Enter");
  await fieldOf(page).waitFor();
  await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  assert.equal(await fieldOf(page).inputValue(), "The first", "it is still being edited");
  await fieldOf(page).fill("The first, in haste");
  await page.keyboard.down("Enter");
  await fieldOf(page).waitFor({ state: "detached" });
  await message.and(page.locator(":focus")).waitFor();
  await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  (await upstream.nextCall()).end(...answer("One, in haste"));
  await exchangeOn(page).is("done");
  assert.equal(await message.inputValue(), "Half a thought");
  assert.deepEqual(await questions(page), ["The first, in haste"]);
});

test("a second Enter on the way into an edit does not send it", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  await exchangeOn(page, 0).edit.focus();
  await pressTwice(page);
  assert.equal(await fieldOf(page).inputValue(), "The first");
  assert.equal(upstream.calls.length, 1);
});

test("an Escape that is held gives up an edit, and stops no answer", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  await exchangeOn(page, 0).edit.click();
  await say(page, "The second");
  const call = await upstream.nextCall();
  call.write(delta("Two"));
  await exchangeOn(page).shows("Two");
  await fieldOf(page).focus();
  await page.keyboard.down("Escape");
  await fieldOf(page).waitFor({ state: "detached" });
  await page.keyboard.down("Escape");
  await page.keyboard.up("Escape");
  call.end(delta(" and more"), finish("stop"), done);
  await exchangeOn(page).is("done");
  await exchangeOn(page).shows("Two and more");
});

test("an edit that is too long to be sent says so", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  await editTo(page, 0, "x".repeat(8001));
  await fieldOf(page).press("Enter");
  const form = page.locator(".edit-question");
  await form.getByText("1 character too long").waitFor();
  assert.equal(await form.getByRole("button", { name: "Send" }).isDisabled(), true);
  const described = await fieldOf(page).evaluate(
    (field) => document.getElementById(field.getAttribute("aria-describedby")).textContent,
  );
  assert.equal(described, "1 character too long");
  await fieldOf(page).fill("x".repeat(8000));
  await fieldOf(page).press("Enter");
  (await upstream.nextCall()).end(...answer("Long"));
  await exchangeOn(page).shows("Long");
});

test("an edit outlives that of another tab, which is sent", async (t) => {
  const { page } = await visit(t, app.url);
  await converse(page, "The first", "One");
  await editTo(page, 0, "The first, here");
  const tab = await openTab(page, page.url());
  await fieldOf(tab).fill("The first, there");
  await fieldOf(page).fill("The first, here and longer");
  await fieldOf(tab).press("Enter");
  (await upstream.nextCall()).end(...answer("There"));
  await exchangeOn(tab).is("done");
  await page.reload();
  await fieldOf(page).waitFor();
  assert.equal(await fieldOf(page).inputValue(), "The first, here and longer");
});
