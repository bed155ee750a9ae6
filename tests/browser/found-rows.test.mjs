/** What the rows of a search look like: plain words, that stay where they are. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { OWNERS, sidebarOf, somebody } from "../support/sidebar.mjs";
import { answer, answerWell, startUpstream } from "../support/upstream.mjs";

const upstream = await startUpstream(answerWell);
const service = await startWorker(
  { OPENAI_BASE_URL: upstream.url, ...OWNERS },
  { owners: true, pages: true },
);
const nobody = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });

beforeEach(() => upstream.reset());

const QUESTION = "Which **weir**?";
const ANSWER = "# Weirs\n\nThese:\n\n- The *old* `weir_1` of <b>2*3</b>";
const PLAIN = "Which weir? Weirs These: The old weir_1 of <b>2*3</b>";

/** Has the service keep the conversation. @returns {Promise<import("playwright-core").Page>} */
async function keptByService(t) {
  const me = somebody(service, upstream);
  await me.keep(QUESTION, { answer: ANSWER });
  const { page } = await visit(t, service.url, me.signedIn);
  return page;
}

async function keptHere(t) {
  const { page } = await visit(t, nobody.url);
  const calling = upstream.nextCall();
  await say(page, QUESTION);
  (await calling).end(...answer(ANSWER));
  await exchangeOn(page).is("done");
  await page.getByRole("link", { name: "New conversation" }).click();
  return page;
}

for (const [who, open] of [
  ["the service", keptByService],
  ["this browser", keptHere],
]) {
  test(`kept by ${who}: what was found is shown in plain words, marked, and leads to its place`, async (t) => {
    const page = await open(t);
    const { search, rows } = sidebarOf(page);
    await search.fill("weir");
    const snippet = rows.locator(".snippet");
    await snippet.locator("mark").first().waitFor();
    assert.equal((await snippet.textContent()).replace(/\s+/g, " "), PLAIN);
    const marks = await snippet.locator("mark").allTextContents();
    assert.deepEqual(marks, ["weir", "Weirs", "weir"]);
    assert.equal(await snippet.locator("*:not(mark)").count(), 0, "what the text says is text");
    await rows.locator("a").click();
    await page.locator(".exchange.found, .exchange:focus").first().waitFor();
    await exchangeOn(page).shows("weir_1");
  });
}

/** Where each line of a row's texts is. */
const layoutOf = (row) =>
  row.evaluate((it) =>
    Array.from(it.querySelectorAll(".title, .snippet"), (text) => {
      const range = new Range();
      range.selectNodeContents(text);
      const boxes = [text.getBoundingClientRect(), ...range.getClientRects()];
      return boxes.map(({ x, y, width, height }) => [x, y, width, height]);
    }),
  );

for (const width of [390, 768, 1280]) {
  test(`${width} pixels wide, a row stays as it is when it is pointed at, has the focus or its menu is open`, async (t) => {
    const me = somebody(service, upstream);
    const words = "There are many words around the weir, more than two lines of a narrow list hold";
    await me.keep(`${words}. ${words}. ${words}`);
    const { page } = await visit(t, service.url, {
      ...me.signedIn,
      viewport: { width, height: 800 },
    });
    const { search, rows } = sidebarOf(page);
    if (width < 1024) await page.getByRole("button", { name: "Show the conversations" }).click();
    await search.fill("weir");
    await rows.locator("mark").first().waitFor();
    const [row] = await rows.all();
    const atRest = await layoutOf(row);
    const more = row.locator(".more");
    assert.equal(await more.evaluate((it) => getComputedStyle(it).opacity), "0");
    await row.hover();
    assert.equal(await more.evaluate((it) => getComputedStyle(it).opacity), "1");
    assert.deepEqual(await layoutOf(row), atRest);
    await more.click();
    await page.getByRole("menuitem", { name: "Delete" }).waitFor();
    await search.hover();
    assert.deepEqual(await layoutOf(row), atRest);
    await page.keyboard.press("Escape");
    await row.locator("a").focus();
    assert.deepEqual(await layoutOf(row), atRest);
    // The title ends where the button begins.
    const [title, button] = await Promise.all([
      row.locator(".title").boundingBox(),
      more.locator("svg").boundingBox(),
    ]);
    assert.ok(title.x + title.width <= button.x, "the button covers no word");
  });
}
