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
