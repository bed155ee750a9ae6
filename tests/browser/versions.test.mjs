/** Questions that are edited, answers that are asked for again, and questions that wait. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { answer, delta, done, finish, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const server = await startKeptPage(upstream);
/** Browsers log every response that is no success. */
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

const questions = (page) => page.locator(".question p").allTextContents();
const sent = (call) => call.body.messages.slice(1).map(({ content }) => content);

async function converse(page, question, ...contents) {
  await say(page, question);
  await answered(page, ...contents);
}

async function answered(page, ...contents) {
  (await upstream.nextCall()).end(...answer(...contents));
  await exchangeOn(page).is("done");
  await exchangeOn(page).shows(contents.join(""));
}

async function editTo(page, exchange, message) {
  await exchange.edit.click();
  const field = page.getByLabel("Edit your message");
  await field.fill(message);
  await field.press("Enter");
}

test("an edited question has its own answer, and both versions can be read", async (t) => {
  const { page } = await visit(t, server.url);
  await converse(page, "First question", "First answer");
  await converse(page, "What about cats?", "They purr");
  await converse(page, "Tell me more", "They sleep");
  await editTo(page, exchangeOn(page, 1), "What about dogs?");
  const call = await upstream.nextCall();
  assert.deepEqual(sent(call), ["First question", "First answer", "What about dogs?"]);
  call.end(...answer("They bark"));
  await exchangeOn(page).shows("They bark");
  await exchangeOn(page).is("done");
  assert.deepEqual(await questions(page), ["First question", "What about dogs?"]);
  const versions = exchangeOn(page).versionsOf("question");
  assert.equal((await versions.textContent()).trim(), "2/2");
  await versions.getByRole("button", { name: "Previous version of the question" }).click();
  assert.deepEqual(await questions(page), ["First question", "What about cats?", "Tell me more"]);
  assert.equal((await exchangeOn(page, 1).versionsOf("question").textContent()).trim(), "1/2");
  await converse(page, "Even more", "They eat");
  assert.deepEqual(sent(upstream.calls.at(-1)).slice(2), [
    ...["What about cats?", "They purr", "Tell me more", "They sleep", "Even more"],
  ]);
  await page.reload();
  await exchangeOn(page).shows("They eat");
  assert.equal((await exchangeOn(page, 1).versionsOf("question").textContent()).trim(), "1/2");
});

test("an edit that is given up changes nothing", async (t) => {
  const { page } = await visit(t, server.url);
  await converse(page, "Leave me as I am", "Gladly");
  await exchangeOn(page).edit.click();
  const field = page.getByLabel("Edit your message");
  assert.equal(await field.inputValue(), "Leave me as I am");
  await field.fill("");
  assert.equal(
    await page.locator(".edit-question").getByRole("button", { name: "Send" }).isDisabled(),
    true,
  );
  await field.press("Escape");
  assert.deepEqual(await questions(page), ["Leave me as I am"]);
  assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), "Edit this message");
  assert.equal(upstream.calls.length, 1);
});

test("another answer to the same question stands beside the first one", async (t) => {
  const { page } = await visit(t, server.url);
  await converse(page, "Name a colour", "Red");
  await exchangeOn(page).again.click();
  const call = await upstream.nextCall();
  assert.deepEqual(sent(call), ["Name a colour"]);
  call.end(...answer("Blue"));
  await exchangeOn(page).shows("Blue");
  const versions = exchangeOn(page).versionsOf("answer");
  assert.equal((await versions.textContent()).trim(), "2/2");
  assert.equal(await exchangeOn(page).versionsOf("question").isVisible(), false);
  await versions.getByRole("button", { name: "Previous version of the answer" }).click();
  await exchangeOn(page).shows("Red");
  await converse(page, "Why that one?", "It is warm");
  assert.deepEqual(sent(upstream.calls.at(-1)), ["Name a colour", "Red", "Why that one?"]);
});

test("Retry never erases what has arrived", async (t) => {
  const { page } = await visit(t, server.url);
  await say(page, "Tell me a story");
  const call = await upstream.nextCall();
  call.write(delta("Once upon a time"));
  await exchangeOn(page).shows("Once upon a time");
  call.cut();
  await exchangeOn(page).is("failed");
  await exchangeOn(page).retry.click();
  await answered(page, "In the end");
  assert.equal(await page.locator(".exchange").count(), 1);
  await page.getByRole("button", { name: "Previous version of the answer" }).click();
  await exchangeOn(page).is("failed");
  await exchangeOn(page).shows("Once upon a time");
});

test("an answer that reached the limit can be continued", async (t) => {
  const { page } = await visit(t, server.url);
  await say(page, "Count as far as you can");
  (await upstream.nextCall()).end(delta("One, two"), finish("length"), done);
  await exchangeOn(page).is("done");
  await page.getByRole("button", { name: "Continue" }).click();
  const call = await upstream.nextCall();
  assert.deepEqual(sent(call), [
    "Count as far as you can",
    "One, two",
    "Continue where you stopped.",
  ]);
  call.end(...answer("three, four"));
  await exchangeOn(page).shows("three, four");
  assert.equal(await page.getByRole("button", { name: "Continue" }).isVisible(), false);
});

test("questions that are sent while an answer runs wait for it, one after the other", async (t) => {
  const { page } = await visit(t, server.url);
  await say(page, "The first question");
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  await exchangeOn(page).shows("Well");
  await say(page, "The second question");
  await say(page, "The third question");
  await exchangeOn(page, 1).is("queued");
  await exchangeOn(page, 2).is("queued");
  assert.equal(upstream.calls.length, 1);
  call.end(finish("stop"), done);
  const second = await upstream.nextCall();
  assert.deepEqual(sent(second), ["The first question", "Well", "The second question"]);
  assert.equal(upstream.calls.length, 2, "the third one still waits");
  second.end(...answer("Good"));
  const third = await upstream.nextCall();
  assert.deepEqual(sent(third).slice(2), ["The second question", "Good", "The third question"]);
  third.end(...answer("Better"));
  await exchangeOn(page).is("done");
  assert.deepEqual(await questions(page), [
    ...["The first question", "The second question", "The third question"],
  ]);
});

test("a question that waits survives a reload, and can be taken back", async (t) => {
  const { page } = await visit(t, server.url);
  await say(page, "The long question");
  const call = await upstream.nextCall();
  call.write(delta("Well"));
  await exchangeOn(page).shows("Well");
  await say(page, "Not so fast");
  await say(page, "This one stays");
  await page.reload();
  await exchangeOn(page, 2).is("queued");
  await exchangeOn(page, 1).element.getByRole("button", { name: "Take back" }).click();
  assert.deepEqual(await questions(page), ["The long question", "This one stays"]);
  assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "Not so fast");
  call.end(finish("stop"), done);
  const next = await upstream.nextCall();
  assert.deepEqual(sent(next), ["The long question", "Well", "This one stays"]);
  next.end(...answer("Yes"));
  await exchangeOn(page).is("done");
});

test("a question that is taken back takes nothing away of what is being written", async (t) => {
  const { page } = await visit(t, server.url);
  await say(page, "The first of two");
  const call = await upstream.nextCall();
  await say(page, "A second thought");
  await page.getByLabel("Message", { exact: true }).fill("A third one");
  await exchangeOn(page).element.getByRole("button", { name: "Take back" }).click();
  const text = await page.getByLabel("Message", { exact: true }).inputValue();
  assert.equal(text, "A second thought\n\nA third one");
  call.end(...answer("Yes"));
  await exchangeOn(page).is("done");
});

test("Stop asks nothing more: what waits comes back into the field, before what is being written", async (t) => {
  const { page } = await visit(t, server.url);
  await say(page, "A long story, please");
  const call = await upstream.nextCall();
  call.write(delta("Once"));
  await exchangeOn(page).shows("Once");
  await say(page, "And a poem");
  await say(page, "And a song");
  const field = page.getByLabel("Message", { exact: true });
  await field.fill("And a dance");
  await page.getByRole("button", { name: "Stop" }).click();
  await exchangeOn(page).is("stopped");
  assert.equal(await field.inputValue(), "And a poem\n\nAnd a song\n\nAnd a dance");
  assert.deepEqual(await questions(page), ["A long story, please"]);
  await page.reload();
  await exchangeOn(page).is("stopped");
  assert.equal(await field.inputValue(), "And a poem\n\nAnd a song\n\nAnd a dance");
  assert.equal(upstream.calls.length, 1);
});

test("an answer that another device stops asks nothing more, either", async (t) => {
  const { page } = await visit(t, server.url);
  await say(page, "Another long story");
  const call = await upstream.nextCall();
  call.write(delta("Once"));
  await exchangeOn(page).shows("Once");
  const { page: phone } = await visit(t, page.url());
  await exchangeOn(phone).shows("Once");
  await say(page, "And its moral");
  await exchangeOn(page).is("queued");
  await phone.getByRole("button", { name: "Stop" }).click();
  await exchangeOn(page).is("stopped");
  assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "And its moral");
  assert.equal(upstream.calls.length, 1);
});

test("what waits for an answer that failed is sent when the person says so", async (t) => {
  const { page } = await visit(t, server.url, { expected });
  await say(page, "This will fail");
  const call = await upstream.nextCall();
  await say(page, "This waits for it");
  await exchangeOn(page).is("queued");
  const send = exchangeOn(page).element.getByRole("button", { name: "Send now" });
  assert.equal(await send.isVisible(), false);
  call.respond(500, {});
  await exchangeOn(page, 0).is("failed");
  assert.equal(upstream.calls.length, 1);
  await send.click();
  const next = await upstream.nextCall();
  assert.deepEqual(sent(next), ["This waits for it"]);
  next.end(...answer("At last"));
  await exchangeOn(page).is("done");
});

test("a question that another device's answer gets in the way of waits for it", async (t) => {
  const { page } = await visit(t, server.url);
  await converse(page, "The common ground", "Here");
  const { page: phone } = await visit(t, page.url());
  await exchangeOn(phone).shows("Here");
  await say(phone, "The phone is quicker");
  const call = await upstream.nextCall();
  call.write(delta("So it is"));
  await exchangeOn(phone).shows("So it is");
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  await exchangeOn(page).shows("So it is");
  await say(page, "The laptop waits");
  await exchangeOn(page).is("queued");
  call.end(finish("stop"), done);
  (await upstream.nextCall()).end(...answer("Its turn"));
  await exchangeOn(page).shows("Its turn");
  assert.deepEqual(await questions(page), [
    ...["The common ground", "The phone is quicker", "The laptop waits"],
  ]);
});
