/** People with kept conversations, and what they see of them in the page's sidebar. */
import { keepSecret } from "./leaks.mjs";
import { Person } from "./person.mjs";

/** Nobody shares conversations with another test, so each takes an owner of its own. */
const NAMES = Array.from({ length: 40 }, (_, index) => `owner-${index}`);
const tokenOf = (name) => `${name}-token-0123456789`;
let taken = 0;

/** The bindings of a worker whose people these are. */
export const OWNERS = { ACCESS_TOKENS: NAMES.map((name) => `${name}:${tokenOf(name)}`).join() };

/** Somebody new with an access token. @param {import("./app.mjs").App} app @param {any} upstream */
export function somebody(app, upstream) {
  const token = tokenOf(NAMES[taken++]);
  keepSecret(token);
  const person = new Person(app, token);
  return {
    token,
    person,
    /** Options of `visit`: the page knows the token. */
    signedIn: {
      storageState: {
        cookies: [],
        origins: [
          {
            origin: app.url,
            localStorage: [{ name: "access-token", value: JSON.stringify(token) }],
          },
        ],
      },
    },
    /** Has a conversation kept. @returns {Promise<string>} its id */
    async keep(message, { answer = "Hi", title, id = crypto.randomUUID() } = {}) {
      await person.exchange(upstream, { message, conversation_id: id }, {}, [answer]);
      if (title) {
        keepSecret(title);
        const body = { title };
        await person.send(`/conversations/${id}`, { method: "PATCH", body });
      }
      return id;
    },
    /** The ids of what is kept, the newest first. */
    async ids() {
      const { conversations } = JSON.parse(await (await person.send("/conversations")).text());
      return conversations.map(({ id }) => id);
    },
  };
}

/** The sidebar of a page. @param {import("playwright-core").Page} page */
export function sidebarOf(page) {
  const element = page.locator("#sidebar");
  const rows = element.locator(".list li");
  return {
    element,
    rows,
    titles: element.locator(".title"),
    search: element.getByRole("searchbox", { name: "Search the conversations" }),
    toast: page.locator("#toast"),
    /** The row with a title. */
    row: (title) => rows.filter({ has: page.locator(".title").getByText(title, { exact: true }) }),
    link: (title) => element.getByRole("link", { name: title }),
    /** Chooses from the menu of a conversation. */
    async choose(title, action) {
      await element.getByRole("link", { name: title }).hover();
      await element.getByRole("button", { name: `Options for ${title}` }).click();
      await page.getByRole("menuitem", { name: action }).click();
    },
    /** Waits until so many rows are shown. */
    has: (count) =>
      page.waitForFunction(
        (count) => document.querySelectorAll("#sidebar .list li").length === count,
        count,
      ),
  };
}
