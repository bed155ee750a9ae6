/** From what a search has found to its place in a conversation, whoever keeps it. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, openTab, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { ended, settle } from "../support/late.mjs";
import { OWNERS, sidebarOf, somebody } from "../support/sidebar.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const service = await startWorker(
  { OPENAI_BASE_URL: upstream.url, MAX_ANSWERS_AT_ONCE: "20", ...OWNERS },
  { owners: true, pages: true },
);
const nobody = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

const TITLE = "Along a river";
const COUNT = 30;
const LONG = "Some words that say nothing. ".repeat(150);

/** What was asked, oldest first: `after` is the exchange that one follows, the one before it unless told. */
const ASKED = Array.from({ length: COUNT }, (_, at) => ({
  message: `Question ${at}`,
  answer: `Answer ${at}. ${LONG}`,
  after: at - 1,
}));
ASKED[5].answer = `${LONG}\n\n\`\`\`js\nconst there = "the old weir";\n\`\`\`\n\n${LONG}`;
ASKED[6].message = "And *culverts*?";
ASKED[8].answer = "<think>Is a lock like a sluice?</think>Yes.";
/** Another version of the seventh question: what came later follows it, and not the one with the culverts. */
ASKED.splice(7, 0, { message: "And bridges?", answer: LONG, after: 5 });
for (const each of ASKED.slice(8)) each.after += 1;
ASKED.at(-1).answer = "The end";

/** Has the service keep the conversation. @returns {Promise<import("playwright-core").Page>} the page of a new one */
async function keptByService(t) {
  const me = somebody(service, upstream);
  const conversation_id = crypto.randomUUID();
  const turns = [];
  for (const { message, answer, after } of ASKED) {
    const body = { message, conversation_id, after: turns[after] ?? null };
    const { text } = await me.person.exchange(upstream, body, {}, [answer]);
    turns.push(JSON.parse(text.match(/.*\ndata: (.+)\n\n$/)[1]).turn_id);
  }
  const body = { title: TITLE };
  await me.person.send(`/conversations/${conversation_id}`, { method: "PATCH", body });
  const { page } = await visit(t, service.url, me.signedIn);
  return page;
}

/** Has the browser keep it. */
async function keptHere(t) {
  const { page } = await visit(t, nobody.url);
  await page.locator("#kept-here").waitFor();
  await page.evaluate(
    async ({ title, turns }) => {
      const opening = indexedDB.open("assistant");
      await new Promise((resolve) => {
        opening.onsuccess = resolve;
      });
      const { transaction } = opening.result
        .transaction(["conversations", "summaries"], "readwrite")
        .objectStore("conversations");
      const at = "2026-01-01T00:00:00Z";
      const summary = { id: "river", title, created_at: at, updated_at: at, state: "complete" };
      transaction.objectStore("conversations").put({ ...summary, turns });
      transaction.objectStore("summaries").put({ ...summary, turn_count: turns.length });
      await new Promise((resolve) => {
        transaction.oncomplete = resolve;
      });
    },
    {
      title: TITLE,
      turns: ASKED.flatMap(({ message, answer, after }, at) => [
        {
          id: `q${at}`,
          parent_id: ASKED[after] ? `a${after}` : null,
          role: "user",
          content: message,
        },
        {
          id: `a${at}`,
          parent_id: `q${at}`,
          role: "assistant",
          content: answer,
          answer_id: `it-${at}`,
          state: "complete",
        },
      ]),
    },
  );
  await page.reload();
  return page;
}

/** Searches until something is found. */
async function search(page, query) {
  const { search, rows } = sidebarOf(page);
  await search.fill(query);
  await page.locator("#list-status").filter({ hasText: "One conversation found" }).waitFor();
  await rows.locator("mark").first().waitFor();
}

/** Searches, and opens what is found. */
async function openFound(page, query) {
  await search(page, query);
  await sidebarOf(page).row(TITLE).locator("a").click();
}

/** Waits until a marked word is in sight. */
const isInSight = (page, word) =>
  page.waitForFunction((word) => {
    const { top, bottom } = document.querySelector("#scroller").getBoundingClientRect();
    return Array.from(CSS.highlights.get("found") ?? []).some((range) => {
      const place = range.getBoundingClientRect();
      return `${range}` === word && place.height > 0 && place.top >= top && place.bottom <= bottom;
    });
  }, word);
const focusedText = (page) =>
  page.evaluate(() => document.activeElement.querySelector(".question p")?.textContent);

for (const [who, open] of [
  ["the service", keptByService],
  ["this browser", keptHere],
]) {
  test(`kept by ${who}: what was found far from the end is in sight, marked, and has the focus`, async (t) => {
    const page = await open(t);
    await openFound(page, "weir");
    await isInSight(page, "weir");
    assert.equal(await focusedText(page), "Question 5");
    assert.equal(await page.locator(".exchange").count(), COUNT);
    // Code that gets its colours keeps its marks.
    await page.locator(".exchange .c-string", { hasText: "weir" }).waitFor();
    await isInSight(page, "weir");
    await page.locator(".exchange.found").waitFor({ state: "detached" });
    // The next click ends the marks, and the end is one click away.
    await page.getByRole("button", { name: "Jump to latest" }).click();
    await exchangeOn(page).answer.getByText("The end").waitFor();
    await page.waitForFunction(() => !CSS.highlights.has("found"));
  });

  test(`kept by ${who}: a version that is not shown is chosen if the words are in it alone`, async (t) => {
    const page = await open(t);
    await openFound(page, "culvert");
    await isInSight(page, "culverts");
    assert.equal(await focusedText(page), "And *culverts*?");
    const versions = exchangeOn(page).versionsOf("question");
    assert.equal(await versions.locator("span").textContent(), "1/2");
  });

  test(`kept by ${who}: what was found in a model's thoughts alone is unfolded`, async (t) => {
    const page = await open(t);
    await openFound(page, "sluice");
    await isInSight(page, "sluice");
    assert.equal(await focusedText(page), "Question 8");
  });

  test(`kept by ${who}: what only the title says leads to the end`, async (t) => {
    const page = await open(t);
    await openFound(page, "river");
    await exchangeOn(page).answer.getByText("The end").waitFor();
    await page.waitForFunction(() => {
      const { scrollTop, scrollHeight, clientHeight } = document.querySelector("#scroller");
      return scrollHeight - scrollTop - clientHeight < 2;
    });
    assert.equal(await page.locator(".exchange.found").count(), 0);
  });
}

for (const [who, open] of [
  ["the service", keptByService],
  ["this browser", keptHere],
]) {
  test(`kept by ${who}: in a tab of its own, what was found is in sight and marked`, async (t) => {
    const page = await open(t);
    await search(page, "weir");
    const href = await sidebarOf(page).row(TITLE).locator("a").getAttribute("href");
    const tab = await openTab(page, new URL(href, page.url()).href);
    await isInSight(tab, "weir");
    assert.equal(await focusedText(tab), "Question 5");
    assert.equal(new URL(tab.url()).hash, "", "a reload goes to the end, as ever");
  });
}

test("in a tab of its own, what was found is gone to once there is an access token", async (t) => {
  const page = await keptByService(t);
  await search(page, "weir");
  const href = await sidebarOf(page).row(TITLE).locator("a").getAttribute("href");
  const token = await page.evaluate(() => JSON.parse(localStorage.getItem("access-token")));
  const { page: tab } = await visit(t, new URL(href, page.url()).href, {
    expected: /^Failed to load resource/,
  });
  await tab.locator("#token").fill(token);
  await tab.keyboard.press("Enter");
  await isInSight(tab, "weir");
});

test("in a tab of its own, whoever has begun to write is not led away", async (t) => {
  const page = await keptHere(t);
  await search(page, "weir");
  const href = await sidebarOf(page).row(TITLE).locator("a").getAttribute("href");
  // The device has the file already, where it may keep any.
  await page.evaluate(async () => {
    for (const each of await navigator.serviceWorker.getRegistrations()) await each.unregister();
  });
  const tab = await page.context().newPage();
  const coming = Promise.withResolvers();
  await tab.route("**/assets/search-parts-*", (route) => coming.resolve(route));
  await tab.goto(new URL(href, page.url()).href);
  const route = await coming.promise;
  await tab.getByLabel("Message", { exact: true }).pressSequentially("Please ");
  const come = ended(tab, (it) => it.url().includes("/assets/search-parts-"));
  await route.continue();
  await come;
  await settle(tab);
  await tab.keyboard.type("wait");
  assert.equal(await tab.getByLabel("Message", { exact: true }).inputValue(), "Please wait");
  assert.equal(await tab.locator(".exchange.found").count(), 0);
});

test("in a tab of its own, what is not there any more, or only in the title, leads to the end", async (t) => {
  const page = await keptHere(t);
  await search(page, "river");
  const href = await sidebarOf(page).row(TITLE).locator("a").getAttribute("href");
  for (const address of [href, `${href}#find=nowhere&in=nowhere`, `${href}#find=%&in=`]) {
    const tab = await page.context().newPage();
    await tab.goto(new URL(address, page.url()).href);
    await exchangeOn(tab).answer.getByText("The end").waitFor();
    await settle(tab);
    await tab.waitForFunction(() => {
      const { scrollTop, scrollHeight, clientHeight } = document.querySelector("#scroller");
      return scrollHeight - scrollTop - clientHeight < 2;
    });
    assert.equal(await tab.locator(".exchange.found").count(), 0);
  }
});

test("what was found near the end stays in sight when what is there grows, until the reader goes to the end", async (t) => {
  const page = await keptHere(t);
  await openFound(page, "end");
  await isInSight(page, "end");
  const grow = () =>
    page.evaluate(async () => {
      const scroller = document.querySelector("#scroller");
      const { scrollTop } = scroller;
      scroller.dispatchEvent(new Event("scroll"));
      const more = document.createElement("li");
      more.style.height = "3000px";
      document.querySelector("#exchanges").append(more);
      for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
      return scroller.scrollTop - scrollTop;
    });
  assert.equal(await grow(), 0);
  await page.locator("#scroller").hover();
  await page.mouse.wheel(0, 5000);
  await page.waitForFunction(() => {
    const { scrollTop, scrollHeight, clientHeight } = document.querySelector("#scroller");
    return scrollHeight - scrollTop - clientHeight < 2;
  });
  assert.ok((await grow()) > 2000);
});

test("what was found stays in sight when what is above gets its real height late, until the reader scrolls", async (t) => {
  const page = await keptHere(t);
  await openFound(page, "culvert");
  await isInSight(page, "culverts");
  const growAbove = () =>
    page.evaluate(async () => {
      const frames = async (count) => {
        for (let frame = 0; frame < count; frame += 1) await new Promise(requestAnimationFrame);
      };
      await frames(20);
      const [range] = CSS.highlights.get("found");
      const above = range.startContainer.parentElement.closest(".exchange").previousElementSibling;
      above.style.minHeight = `${above.offsetHeight + 2000}px`;
      await frames(3);
    });
  await growAbove();
  await isInSight(page, "culverts");
  const scrollTop = () => page.locator("#scroller").evaluate(({ scrollTop }) => scrollTop);
  const before = await scrollTop();
  await page.locator("#scroller").hover();
  await page.mouse.wheel(0, -300);
  await page.waitForFunction(
    (before) => document.querySelector("#scroller").scrollTop === before - 300,
    before,
  );
  const scrolled = await scrollTop();
  await growAbove();
  assert.equal(await scrollTop(), scrolled);
});

test("without the file that leads there, what is found is listed and opened", async (t) => {
  const me = somebody(service, upstream);
  await me.keep("Tell me of weirs", { title: TITLE });
  const { page } = await visit(t, service.url, { ...me.signedIn, expected: /ERR_FAILED/ });
  await page.route("**/assets/search-parts-*.js", (route) => route.abort());
  const { search, row } = sidebarOf(page);
  await search.fill("weirs");
  await page.locator("#list-status").filter({ hasText: "One conversation found" }).waitFor();
  await row(TITLE).locator("a").click();
  await exchangeOn(page).shows("Hi");
});

test("a file that hangs does not hold up what is found", async (t) => {
  const me = somebody(service, upstream);
  await me.keep("Tell me of weirs", { title: TITLE });
  const { page } = await visit(t, service.url, me.signedIn);
  await page.route("**/assets/search-parts-*.js", () => {});
  await sidebarOf(page).search.fill("weirs");
  await page.locator("#list-status").filter({ hasText: "One conversation found" }).waitFor();
});
