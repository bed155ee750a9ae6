/** Whether everybody can read and use the page, in each of its states and both themes. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { findings } from "../support/axe.mjs";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { answer, delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";

const upstream = await startUpstream();
const bindings = { OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "0" };
const app = await startWorker(bindings, { pages: true });
const locked = await startWorker(
  { ...bindings, ACCESS_TOKENS: "me:owner-token-0123456789" },
  { pages: true },
);
const expected = /^Failed to load resource/;

beforeEach(() => upstream.reset());

const ANSWER =
  "# Title\n\nWords, `code` and [a link](https://example.com/).\n\n- item\n- [x] done\n\n> quote\n\n" +
  "```js\nconst a = 1;\n```\n\n| a | b |\n|-|-|\n| 1 | 2 |";

/** How each state of the page comes about. @type {Record<string, (page: any) => Promise<unknown>>} */
const STATES = {
  empty: async () => {},
  answered: async (page) => {
    await say(page, "Write something rich");
    (await upstream.nextCall()).end(delta(ANSWER), finish("length"), usage(3, 4), done);
    await exchangeOn(page).is("done");
    await exchangeOn(page).shows("Title");
  },
  streaming: async (page) => {
    await say(page, "Write something slowly");
    (await upstream.nextCall()).write(delta("Words that"));
    await exchangeOn(page).shows("Words that");
  },
  failed: async (page) => {
    await say(page, "Write something wrong");
    (await upstream.nextCall()).respond(500, {});
    await exchangeOn(page).is("failed");
  },
  trimmed: async (page) => {
    for (const letter of "abcdef") {
      await say(page, letter.repeat(4000));
      (await upstream.nextCall()).end(...answer(letter.repeat(4000)));
      await exchangeOn(page).is("done");
    }
    await page.locator(".forgotten").waitFor();
  },
  "too long": async (page) => {
    await page.getByLabel("Message", { exact: true }).fill("x".repeat(8001));
  },
  settings: async (page) => {
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Model").fill("not a model");
    await page.getByRole("button", { name: "Save" }).click();
  },
  "wrong token": async (page) => {
    const field = page.getByLabel("Your token");
    await field.fill("wrong-token-0123456789");
    await field.press("Enter");
    await page.getByRole("alert").filter({ hasText: "not accepted" }).waitFor();
  },
};

// Themes and sizes do not depend on each other, so two looks cover both.
for (const [name, look] of Object.entries({
  "light, desktop": { colorScheme: "light", viewport: { width: 1280, height: 800 }, expected },
  "dark, phone": { colorScheme: "dark", viewport: { width: 390, height: 844 }, expected },
})) {
  for (const [state, reach] of Object.entries(STATES)) {
    test(`the page is accessible and fits: ${state}, ${name}`, async (t) => {
      const { url } = state === "wrong token" ? locked : app;
      const { page } = await visit(t, url, look);
      await reach(page);
      assert.deepEqual(await findings(page), []);
      const overflows = await page.evaluate(
        () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
      );
      assert.equal(overflows, false, "nothing is wider than the page");
    });
  }
}
