/** "Try it" in the API reference: what is sent, and what is shown of the answer while it comes. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { blockSiteData } from "../support/blocked.mjs";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { startProxy } from "../support/proxy.mjs";
import { operationOn } from "../support/reference.mjs";
import { answer, delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

const TOKEN = "docs-token-0123456789";

const upstream = await startUpstream();
const app = await startWorker(
  { OPENAI_BASE_URL: upstream.url, ACCESS_TOKENS: `me:${TOKEN}`, HEARTBEAT_SECONDS: "0.3" },
  { pages: true, owners: true },
);

beforeEach(() => upstream.reset());

const MESSAGE = JSON.stringify({ message: "Hello from the reference" });

test("the frames of an answer are shown one by one as they come, and their text above them", async (t) => {
  const page = await open(t);
  const chat = operationOn(page, "chat");
  await chat.send({ body: MESSAGE, "X-Correlation-Id": "from-docs" });
  const call = await upstream.nextCall();
  assert.equal(call.body.messages.at(-1).content, "Hello from the reference");
  call.write(delta("Once "));
  await chat.status("200 OK after");
  await chat.frames.filter({ hasText: "Once " }).waitFor();
  assert.equal(await chat.answer.textContent(), "Once ");
  const first = '{"content":"Once ","sequence":0,"is_final":false,"correlation_id":"from-docs"}';
  assert.equal(await frame(chat, 0), `data: ${first}`);
  call.write(delta("<b>upon</b>\n"));
  await chat.frames.filter({ hasText: "upon" }).waitFor();
  assert.equal(await chat.answer.textContent(), "Once <b>upon</b>\n");
  call.end(finish("stop"), usage(12, 3), done);
  await chat.status(/3 frames, the first text after .*, ended with stop \(12 tokens in, 3 out\)/);
  await page.getByRole("heading", { name: "The answer", exact: true }).waitFor();
});

test("keep-alives are shown while a model thinks", async (t) => {
  const page = await open(t);
  const chat = operationOn(page, "chat");
  await chat.send({ body: MESSAGE });
  const call = (await upstream.nextCall()).open();
  await chat.frames.filter({ hasText: ": keep-alive" }).first().waitFor();
  call.end(...answer("42"));
  await chat.status("ended with stop");
});

test("an answer without its final frame is told as not complete", async (t) => {
  const proxy = await startProxy(app.url);
  const page = await open(t, proxy.url, { expected: /^Failed to load resource/ });
  const chat = operationOn(page, "chat");
  await chat.send({ body: MESSAGE });
  const call = await upstream.nextCall();
  call.write(delta("Half of"));
  await chat.frames.filter({ hasText: "Half of" }).waitFor();
  proxy.cut();
  await chat.status("the connection was lost");
  assert.equal(await chat.answer.textContent(), "Half of");

  const body = 'data: {"content":"Half","sequence":0,"is_final":false,"correlation_id":"x"}\n\n';
  await page.route("**/chat", (route) => route.fulfill({ contentType: "text/event-stream", body }));
  await chat.send();
  await chat.status("1 frame, the first text after");
  await chat.status("no final frame: the answer is not complete");
});

test("a service that is not there is told in words", async (t) => {
  const page = await open(t, app.url, { expected: /^Failed to load resource/ });
  await page.route("**/health", (route) => route.abort());
  const health = operationOn(page, "health");
  await health.send();
  await health.status("Is the service running?");
});

test("cancelling closes the connection, which stops the model", async (t) => {
  const page = await open(t);
  const chat = operationOn(page, "chat");
  await chat.send({ body: MESSAGE });
  const call = await upstream.nextCall();
  call.write(delta("Long"));
  await chat.frames.filter({ hasText: "Long" }).waitFor();
  const cancel = chat.element.getByRole("button", { name: "Cancel" });
  await cancel.click();
  assert.equal(await within(call.closed, "the end of upstream's connection"), "aborted");
  await chat.status("cancelled");
  assert.equal(await cancel.isVisible(), false);
});

test("a very long answer keeps the newest frames, and all of its text", async (t) => {
  const page = await open(t);
  const chat = operationOn(page, "chat");
  await chat.send({ body: MESSAGE });
  const call = await upstream.nextCall();
  call.end(...Array.from({ length: 2100 }, () => delta("ab")), finish("stop"), done);
  await chat.status("2,101 frames");
  assert.equal(await chat.frames.count(), 2000);
  await page.getByText("Frames, without the first 101").waitFor();
  assert.equal((await chat.answer.textContent()).length, 4200);
});

test("a kept answer can be read again, continued and stopped from where it was asked", async (t) => {
  const page = await open(t);
  const chat = operationOn(page, "chat");
  const body = JSON.stringify({ message: "Hello and keep", conversation_id: "docs-kept" });
  await chat.send({ body, "Idempotency-Key": "docs-1" });
  const call = await upstream.nextCall();
  call.write(delta("One"));
  await chat.frames.filter({ hasText: "id: docs-1.0" }).waitFor();

  await chat.element.getByRole("button", { name: "Stop it" }).click();
  const stop = operationOn(page, "stop");
  assert.equal(await stop.field("id").inputValue(), "docs-1");
  await page.keyboard.press("Enter");
  await stop.status(/^200 OK .* in all$/);
  assert.deepEqual(JSON.parse(await stop.body.textContent()), { state: "stopped" });
  await chat.status("ended with stopped");

  await chat.element.getByRole("button", { name: "Read it again" }).click();
  const again = operationOn(page, "answer");
  await again.send();
  await again.status("2 frames");
  assert.equal(await again.answer.textContent(), "One");
  await again.send({ "Last-Event-ID": "docs-1.0" });
  await again.status("1 frame,");
  await again.send({ "Last-Event-ID": "docs-1.1" });
  await again.status("204 No Content without a body");
  assert.match(await again.code(), /-H 'Last-Event-ID: docs-1\.1'/);

  await chat.element.getByRole("button", { name: "See the conversation" }).click();
  const conversation = operationOn(page, "conversation");
  await conversation.send();
  await conversation.status(/^200 OK .* in all$/);
  assert.equal(JSON.parse(await conversation.body.textContent()).id, "docs-kept");
  await conversation.field("accept").selectOption("text/markdown");
  await conversation.send();
  await conversation.body.filter({ hasText: "## Assistant" }).waitFor();
});

test("conversations are listed, renamed, exported and deleted", async (t) => {
  const page = await open(t);
  const chat = operationOn(page, "chat");
  const body = JSON.stringify({ message: "Spruces and firs", conversation_id: "docs-routes" });
  await chat.send({ body });
  (await upstream.nextCall()).end(...answer("Trees"));
  await chat.status("ended with stop");

  const list = operationOn(page, "conversations");
  await list.send({ q: "spruces", limit: "1" });
  await list.body.filter({ hasText: '"docs-routes"' }).waitFor();

  const rename = operationOn(page, "rename");
  await rename.send({ id: "docs-routes", body: '{"title":"Trees of the north"}' });
  await rename.status("200 OK");
  await list.send({ q: "north" });
  await list.body.filter({ hasText: "Trees of the north" }).waitFor();

  const everything = operationOn(page, "exportAll");
  await everything.send();
  await everything.body.filter({ hasText: '"id":"docs-routes"' }).waitFor();

  const forget = operationOn(page, "forget");
  await forget.element.getByRole("button", { name: "Send" }).click();
  assert.equal(await forget.element.locator(".result").isVisible(), false, "an id is needed");
  await forget.send({ id: "docs-routes" });
  await forget.status("204 No Content");

  const forgetAll = operationOn(page, "forgetEverything");
  await forgetAll.send();
  await forgetAll.status("400 Bad Request");
  await forgetAll.send({ "X-Confirm": "delete-everything" });
  await forgetAll.status("204 No Content");
  await everything.send();
  await everything.status("200 OK without a body");
});

test("an error shows its status, body and headers", async (t) => {
  const page = await open(t);
  const chat = operationOn(page, "chat");
  await chat.send({ body: "{", "X-Correlation-Id": "from-docs" });
  await chat.status("400 Bad Request with");
  assert.equal(JSON.parse(await chat.body.textContent()).code, "validation_error");
  await chat.element.getByText("Headers of the response").click();
  const headers = await chat.element.locator(".received").textContent();
  assert.match(headers, /x-correlation-idfrom-docs/);
  assert.doesNotMatch(
    await chat.element.textContent(),
    new RegExp(TOKEN),
    "the token is not shown",
  );
});

test("examples fill in the body", async (t) => {
  const page = await open(t);
  const chat = operationOn(page, "chat");
  await chat.field("example").selectOption("A message with earlier turns");
  assert.equal(JSON.parse(await chat.field("body").inputValue()).history.length, 2);
  assert.match(await chat.code(), /How tall are spruces/);
});

test("no operation comes with a key or a place filled in, which would serve only once", async (t) => {
  const page = await open(t);
  const filled = await page
    .locator("form.try input")
    .evaluateAll((all) => all.flatMap(({ id, value }) => (value === "" ? [] : [id])));
  assert.deepEqual(filled, []);
});

test("the access token is asked for where it is missing, and shared with the chat page", async (t) => {
  const page = await open(t, app.url, { token: undefined });
  const list = operationOn(page, "conversations");
  await list.send();
  await list.status("401 Unauthorized");
  await list.element.getByRole("button", { name: "Enter your access token" }).click();
  await page.getByText("wants an access token").waitFor();
  await page.keyboard.type("no token");
  await page.keyboard.press("Enter");
  await page.getByText("A token has no spaces").waitFor();
  await page.getByLabel("Access token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.getByText("This tab has your access token").waitFor();
  await list.send();
  await list.status("200 OK");
  await page.goto(app.url);
  await say(page, "Hello from the page");
  (await upstream.nextCall()).end(...answer("Good morning"));
  await exchangeOn(page).is("done");
});

test("a wrong token is told, and forgotten", async (t) => {
  const page = await open(t, app.url, { token: "wrong-token-0123456789" });
  const list = operationOn(page, "conversations");
  await list.send();
  await list.element.getByRole("button", { name: "Enter your access token" }).click();
  await page.getByText("did not accept the token").waitFor();
  assert.deepEqual(await stored(page), [null, null]);
});

test("the token stays on the device only when that is asked for, until it is forgotten", async (t) => {
  const page = await open(t, app.url);
  const stays = async () => {
    const other = await page.context().newPage();
    await other.goto(`${app.url}/docs`);
    const has = await other.getByText("This device has your access token").isVisible();
    await other.close();
    return has;
  };
  assert.equal(await stays(), false);
  await page.getByRole("button", { name: "Forget it" }).click();
  await page.getByLabel("Access token").fill(TOKEN);
  await page.getByLabel("Remember on this device").check();
  await page.keyboard.press("Enter");
  await page.getByText("This device has your access token").waitFor();
  assert.equal(await stays(), true);
  await page.getByRole("button", { name: "Forget it" }).click();
  assert.equal(await stays(), false);
  assert.deepEqual(await stored(page), [null, null]);
});

test("signing out on the chat page signs out the reference in another tab", async (t) => {
  const page = await open(t);
  const chat = await page.context().newPage();
  await chat.goto(app.url);
  await chat.getByLabel("Your token").fill(TOKEN);
  await chat.keyboard.press("Enter");
  await chat.getByRole("dialog").waitFor({ state: "hidden" });
  await page.getByText("This tab has your access token").waitFor();
  await chat.locator(".open-settings").first().click();
  await chat.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Access token").waitFor();
  assert.deepEqual(await stored(page), [null, null]);
});

test("a browser that stores nothing keeps the token until the page is left", async (t) => {
  const page = await open(t, app.url, { token: undefined });
  await blockSiteData(page);
  await page.reload();
  await page.getByLabel("Access token").fill(TOKEN);
  await page.keyboard.press("Enter");
  const list = operationOn(page, "conversations");
  await list.send();
  await list.status("200 OK");
});

test("the token is in no snippet", async (t) => {
  const page = await open(t);
  await page.getByText("This tab has your access token").waitFor();
  assert.doesNotMatch(await page.locator("main").textContent(), new RegExp(TOKEN));
});

/** Opens the reference, with an access token that was entered before. */
async function open(
  t,
  url = app.url,
  { expected = /^Failed to load resource: .* 40[01] /, ...rest } = {},
) {
  const { page } = await visit(t, `${url}/docs`, { expected });
  const token = "token" in rest ? rest.token : TOKEN;
  if (token) {
    const value = JSON.stringify(token);
    await page.evaluate((kept) => sessionStorage.setItem("access-token", kept), value);
    await page.reload();
  }
  return page;
}

/** The tab's token and the device's, as they are stored. */
function stored(page) {
  return page.evaluate(() => [
    sessionStorage.getItem("access-token"),
    localStorage.getItem("access-token"),
  ]);
}

/** A frame as it is shown. */
function frame({ frames }, index) {
  return frames.nth(index).locator("code").textContent();
}
