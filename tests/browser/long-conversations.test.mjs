/** A long conversation is open at once: what is far from the part in sight costs nothing until it comes near. */
import assert from "node:assert/strict";
import test from "node:test";
import { exchangeOn, visit } from "../support/browser.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream();
const server = await startKeptPage(upstream);

const COUNT = 200;

const ANSWER = `Some *words* about it, and \\(x_{NUMBER}^2\\).

1. First, **this**.
2. Then [that](https://example.com/).

\`\`\`js
const value = NUMBER; // the code
\`\`\`

${"A paragraph with some more words. ".repeat(20)}

| what | how much |
|------|---------:|
| one  | NUMBER |
`.repeat(2);

/** Turns as the server gives them. */
function turns(count) {
  return Array.from({ length: count }, (_, at) => {
    const created_at = new Date(Date.UTC(2026, 0, 1, 0, at)).toISOString();
    const parent_id = at > 0 ? `a${at - 1}` : null;
    return [
      { id: `q${at}`, parent_id, role: "user", content: `Question ${at}`, created_at },
      {
        id: `a${at}`,
        parent_id: `q${at}`,
        role: "assistant",
        content: ANSWER.replaceAll("NUMBER", `${at}`),
        created_at,
        answer_id: `answer-${at}`,
        state: "complete",
        model: "house",
        finish_reason: "stop",
        usage: null,
      },
    ];
  }).flat();
}

/**
 * Opens the conversation.
 *
 * @param {{ isIdle?: boolean, hasReader?: boolean, count?: number }} [options] `isIdle`: whether the browser is ever idle
 */
async function open(t, { isIdle = true, hasReader, count = COUNT } = {}) {
  const { page } = await visit(t, server.url, { hasReader });
  const at = "2026-01-01T00:00:00Z";
  const json = {
    id: "long",
    title: "A long one",
    created_at: at,
    updated_at: at,
    turns: turns(count),
  };
  await page.route("**/conversations/long", (route) => route.fulfill({ json }));
  if (!isIdle)
    await page.addInitScript(() => {
      window.requestIdleCallback = () => {};
    });
  await page.goto(`${server.url}/c/long`);
  await exchangeOn(page).answer.locator("table").nth(1).waitFor();
  return page;
}

const drawn = (page) => page.locator(".exchange:has(table)").count();
const allDrawn = (page, count = COUNT) =>
  page
    .locator(".exchange:has(table)")
    .nth(count - 1)
    .waitFor();
const scrollTo = (page, top) =>
  page.locator("#scroller").evaluate((it, top) => it.scrollTo(0, top), top);

test("what is far from the part in sight is not drawn until it comes near", async (t) => {
  const page = await open(t, { isIdle: false });
  assert.ok((await drawn(page)) <= 12, "the end");
  assert.equal(await page.locator(".exchange").count(), COUNT);
  await exchangeOn(page).question.waitFor();
  await scrollTo(page, 0);
  await exchangeOn(page, 0).answer.locator("table").nth(1).waitFor();
  assert.equal(await exchangeOn(page, 0).question.textContent(), "Question 0");
  assert.ok((await drawn(page)) <= 24, "the end and the beginning");
});

test("what is far is drawn when there is nothing else to do, and not laid out", async (t) => {
  const page = await open(t);
  await allDrawn(page);
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const { metrics } = await session.send("Performance.getMetrics");
  const objects = metrics.find(({ name }) => name === "LayoutObjects").value;
  t.diagnostic(`${objects} boxes`);
  assert.ok(objects < 5_000, `${objects} boxes`);
});

test("all of it is read out and can be found", async (t) => {
  // With a screen reader, the browser does much more for each exchange.
  const count = 40;
  const page = await open(t, { hasReader: true, count });
  await allDrawn(page, count);
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const names = new Set(nodes.map(({ name }) => name?.value));
  const questions = Array.from({ length: count }, (_, at) => `Question ${at}`);
  const unread = questions.filter((question) => !names.has(question));
  assert.deepEqual(unread, []);
  const tables = nodes.filter(({ role }) => role?.value === "table");
  assert.equal(tables.length, 2 * count);
  const unfound = await page.evaluate((questions) => {
    getSelection().collapse(document.querySelector("#exchanges"), 0);
    return questions.filter((question) => !window.find(question));
  }, questions);
  assert.deepEqual(unfound, []);
});

test("what is in sight stays there when what is above gets its real height", async (t) => {
  const page = await open(t);
  await allDrawn(page);
  await scrollTo(page, 50_000);
  const moved = await page.evaluate(async () => {
    const frames = async (count) => {
      for (let n = 0; n < count; n += 1) await new Promise(requestAnimationFrame);
    };
    const scroller = document.querySelector("#scroller");
    let moved = 0;
    for (let step = 0; step < 40; step += 1) {
      await frames(3);
      const seen = document.elementFromPoint(640, 300);
      const before = seen.getBoundingClientRect().top;
      scroller.scrollTop -= 200;
      await frames(3);
      moved = Math.max(moved, Math.abs(seen.getBoundingClientRect().top - before - 200));
    }
    return moved;
  });
  assert.ok(moved <= 2, `moved by ${moved} px`);
});

test("it is opened at its end", async (t) => {
  const page = await open(t);
  await allDrawn(page);
  const left = await page
    .locator("#scroller")
    .evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight);
  assert.ok(left < 1, `${left} px from the end`);
  assert.equal(await page.locator("#jump").isVisible(), false);
});

test("all of it is printed, drawn before or not", async (t) => {
  const page = await open(t, { isIdle: false });
  const pdf = await page.pdf();
  assert.equal(await drawn(page), COUNT);
  const sheets = pdf.toString("latin1").match(/\/Type \/Page\b/g).length;
  t.diagnostic(`${sheets} sheets`);
  assert.ok(sheets > COUNT / 2, `${sheets} sheets`);
});
