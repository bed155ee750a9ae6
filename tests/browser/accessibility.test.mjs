/** Whether everybody can read and use the page, in each of its states and both themes. */
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { findings } from "../support/axe.mjs";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { OWNERS, sidebarOf, somebody } from "../support/sidebar.mjs";
import { answer, delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";

const upstream = await startUpstream();
const bindings = { OPENAI_BASE_URL: upstream.url, MAX_RETRIES: "0" };
const app = await startWorker(bindings, { pages: true });
const locked = await startWorker(
  { ...bindings, ACCESS_TOKENS: "me:owner-token-0123456789" },
  { pages: true },
);
const keeping = await startWorker({ ...bindings, ...OWNERS }, { owners: true, pages: true });
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
    await showSidebar(page);
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Longest answer, in tokens").fill("many");
    await page.getByRole("button", { name: "Save" }).click();
  },
  "settings with a model's name": async (page) => {
    await page.route("**/models", (route) => route.abort());
    await page.reload();
    await showSidebar(page);
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Model", { exact: true }).fill("not a model");
    await page.getByRole("button", { name: "Save" }).click();
  },
  "settings with instructions": async (page) => {
    const models = { models: [], default: "house", system_prompt: "You are kind.\n".repeat(100) };
    await page.route("**/models", (route) => route.fulfill({ json: models }));
    await page.reload();
    await showSidebar(page);
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByText("Instructions the assistant was given").click();
  },
  "refused for now": async (page) => {
    await say(page, "Write something soon");
    (await upstream.nextCall()).respond(429, {}, { "retry-after": "50" });
    await exchangeOn(page).status.getByRole("button", { name: "Try now" }).waitFor();
  },
  "wrong token": async (page) => {
    const field = page.getByLabel("Your token");
    await field.fill("wrong-token-0123456789");
    await field.press("Enter");
    await page.getByRole("alert").filter({ hasText: "not accepted" }).waitFor();
  },
};

const TITLE = "Tell me about bridges";

/** Shows the sidebar, which is in a sheet on a phone. */
async function showSidebar(page) {
  const opener = page.getByRole("button", { name: "Show the conversations" });
  if (await opener.isVisible()) await opener.click();
  return sidebarOf(page);
}

const openMenu = async (page) => {
  const sidebar = await showSidebar(page);
  await sidebar.link(TITLE).hover();
  await page.getByRole("button", { name: `Options for ${TITLE}` }).click();
  return sidebar;
};

/** The same for somebody whose conversations are kept. @type {Record<string, (page: any) => Promise<unknown>>} */
const KEPT_STATES = {
  listed: async (page) => {
    const sidebar = await showSidebar(page);
    await sidebar.link(TITLE).waitFor();
  },
  folded: async (page) => {
    const sidebar = await showSidebar(page);
    await page.getByRole("button", { name: "Hide the conversations" }).click();
    await sidebar.element.waitFor({ state: "hidden" });
  },
  opened: async (page) => {
    const sidebar = await showSidebar(page);
    await sidebar.link(TITLE).click();
    await exchangeOn(page).shows("Title");
    await showSidebar(page);
  },
  "an edit, and news": async (page) => {
    const sidebar = await showSidebar(page);
    await sidebar.link(TITLE).click();
    await exchangeOn(page).shows("Title");
    await exchangeOn(page).edit.click();
    await page.getByLabel("Edit your message").fill("Tell me about tunnels");
    const asking = page.evaluate(async () => {
      const conversation_id = location.pathname.split("/").at(-1);
      const Authorization = `Bearer ${JSON.parse(localStorage.getItem("access-token"))}`;
      const headers = { Authorization, "Content-Type": "application/json" };
      const body = JSON.stringify({ message: "About boats", conversation_id, after: null });
      await (await fetch("/chat", { method: "POST", headers, body })).text();
      dispatchEvent(new Event("online"));
    });
    (await upstream.nextCall()).end(...answer("They float"));
    await asking;
    await page.getByText("There is something newer here.").waitFor();
  },
  "a conversation that is gone": async (page) => {
    await page.route(/conversations\/./, (route) => route.fulfill({ status: 404, json: {} }));
    const sidebar = await showSidebar(page);
    await sidebar.link(TITLE).click();
    await page.getByRole("heading", { name: "This conversation is gone" }).waitFor();
  },
  searched: async (page) => {
    const sidebar = await showSidebar(page);
    await sidebar.search.fill("words");
    await sidebar.element.locator(".snippet mark").first().waitFor();
  },
  "led to what was found": async (page) => {
    const sidebar = await showSidebar(page);
    await sidebar.search.fill("words");
    await sidebar.element.locator(".snippet mark").first().waitFor();
    await sidebar.rows.first().locator("a").click();
    await page.waitForFunction(() => document.activeElement.matches(".exchange"));
  },
  "nothing found": async (page) => {
    const sidebar = await showSidebar(page);
    await sidebar.search.fill("nowhere");
    await sidebar.element.getByText("Nothing found").waitFor();
  },
  "a menu": async (page) => {
    await openMenu(page);
    await page.getByRole("menuitem", { name: "Rename" }).waitFor();
  },
  renaming: async (page) => {
    const sidebar = await openMenu(page);
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await sidebar.element.getByLabel("Title").waitFor();
  },
  deleted: async (page) => {
    const sidebar = await openMenu(page);
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await sidebar.toast.getByRole("button", { name: "Undo" }).waitFor();
  },
  "models to choose from": async (page) => {
    const models = Array.from({ length: 20 }, (_, index) => ({ id: `maker/model-${index}` }));
    await page.route("**/models", (it) => it.fulfill({ json: { models, default: models[3].id } }));
    await page.reload();
    await page.locator("#choose-model").click();
    await page.getByRole("option").first().waitFor();
  },
  "no list": async (page) => {
    await page.route(/conversations\?/, (route) => route.abort());
    await page.reload();
    const sidebar = await showSidebar(page);
    await sidebar.element.getByRole("button", { name: "Try again" }).waitFor();
  },
  "settings of somebody": async (page) => {
    await showSidebar(page);
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
  },
  "everything to be deleted": async (page) => {
    await showSidebar(page);
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("button", { name: "Delete everything" }).click();
    await page.getByRole("dialog", { name: "Delete all" }).getByRole("textbox").press("Enter");
  },
};

/** These look the same however they were reached. On a phone, what is in the sidebar is in a sheet. */
const BESIDE_SIDEBAR = [
  "an edit, and news",
  "a conversation that is gone",
  "settings of somebody",
  "everything to be deleted",
];

// Themes and sizes do not depend on each other, so two looks cover both.
const DESKTOP = { colorScheme: "light", viewport: { width: 1280, height: 800 }, expected };
const PHONE = { colorScheme: "dark", viewport: { width: 390, height: 844 }, expected };
const LOOKS = { "light, desktop": DESKTOP, "dark, phone": PHONE };

for (const [state, reach] of Object.entries(STATES)) {
  test(`the page is accessible and fits: ${state}`, async (t) => {
    const { url } = state === "wrong token" ? locked : app;
    const { page } = await visit(t, url, DESKTOP);
    await reach(page);
    await assertFine(page);
    await lookAs(page, PHONE);
    await assertFine(page);
  });
}

for (const [state, reach] of Object.entries(KEPT_STATES)) {
  const isBesideSidebar = BESIDE_SIDEBAR.includes(state);
  const looks = isBesideSidebar ? { "both looks": DESKTOP } : LOOKS;
  for (const [name, look] of Object.entries(looks)) {
    test(`the page of somebody with conversations is accessible and fits: ${state}, ${name}`, async (t) => {
      const me = somebody(keeping, upstream);
      await me.keep("Something else that has words");
      await me.keep(TITLE, { answer: ANSWER });
      const { page } = await visit(t, keeping.url, { ...me.signedIn, ...look });
      await reach(page);
      await assertFine(page);
      if (!isBesideSidebar) return;
      await lookAs(page, PHONE);
      await assertFine(page);
    });
  }
}

async function lookAs(page, { colorScheme, viewport }) {
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
}

async function assertFine(page) {
  assert.deepEqual(await findings(page), []);
  const overflows = await page.evaluate(
    () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
  );
  assert.equal(overflows, false, "nothing is wider than the page");
}
