/** The pages in a real browser, and whatever they do that no page of ours may do. */
import assert from "node:assert/strict";
import { after } from "node:test";
import { chromium } from "playwright-core";
import { findChromium } from "../../scripts/lib/chromium.mjs";
import { keepSecret } from "./leaks.mjs";

/** Quiet, and on one's own machine alone; in a container it is root who tests. */
const ARGS =
  "--disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-quic";

/** Playwright's own list, which this one replaces. */
const PLAYWRIGHT_DISABLES =
  "AvoidUnnecessaryBeforeUnloadCheckSync DestroyProfileOnBrowserClose HttpsUpgrades HttpsFirstBalancedModeAutoEnable LensOverlay MediaRouter PaintHolding ThirdPartyStoragePartitioning AvoidCorsURLLoaderRestartOnRedirect TcpPortRandomizationWin OptimizationHints NetworkTimeServiceQuerying AimEnabled PreconnectToSearch";

/** The menus of the address bar: for each window, Chromium loads two pages of them, which takes it longer than the test's. */
const MENUS = "WebUIOmniboxPopup WebUIOmniboxAimPopup WebUIOmniboxFullPopup";

const executablePath = findChromium();
if (!executablePath)
  throw new Error(
    "There is no Chromium: run 'npm run test:browser', which installs it or says how",
  );
const root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
/** A stranger's name that leads to this machine. */
export const REBOUND = "rebound.test";
const names = `--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`;
const features = `--disable-features=${`${PLAYWRIGHT_DISABLES} ${MENUS}`.replaceAll(" ", ",")}`;
const args = [...ARGS.split(" "), features, names, ...root];
/** Without a locale, as under some services, it cannot name a file after more than ASCII. */
const env = { ...process.env, LC_ALL: "C.UTF-8" };
const launch = (...more) => chromium.launch({ executablePath, args: [...args, ...more], env });
const browser = await launch();
after(() => browser.close());

/** What the browser says of a page that was cut off from its service worker's file: it is not kept for offline use. */
const NOT_KEPT = /^An unknown error occurred when fetching the script\.$/;

/**
 * A page in a browser of its own that may do whatever it likes, as a stranger's may.
 *
 * @param {import("node:test").TestContext} t
 * @param {string} url
 */
export async function strangersPage(t, url) {
  const context = await browser.newContext();
  t.after(() => context.close());
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** The models that there are to choose from. */
const MODELS = { models: [{ id: "house" }, { id: "guest" }], default: "house" };

/**
 * A page, with what it has done that it should not have done.
 *
 * @typedef {object} Visit
 * @property {import("playwright-core").Page} page
 * @property {string[]} requests The addresses of all that was asked for.
 * @property {string[]} faults Errors, dialogs, windows and breaches of the content security policy.
 */

/**
 * Opens an address in a browser of its own, without a past. When the test ends, the page must have stayed within its
 * origin and its policy.
 *
 * @param {import("node:test").TestContext} t
 * @param {string} url
 * @param {import("playwright-core").BrowserContextOptions & { expected?: RegExp, hasReader?: boolean }} [options]
 *   `expected` are the messages of the console that are no faults; `hasReader`: the browser believes that there is a
 *   screen reader, and keeps a tree of the whole page for it
 * @returns {Promise<Visit>}
 */
export async function visit(t, url, { expected, hasReader = false, ...options } = {}) {
  const own = hasReader ? await launch("--force-renderer-accessibility") : browser;
  const context = await own.newContext({
    viewport: { width: 1280, height: 800 },
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const seen = { page, requests: [], faults: [] };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("pageerror", (error) => seen.faults.push(`${error.stack}`));
  page.on("popup", (popup) => seen.faults.push(`window: ${popup.url()}`));
  page.on("dialog", (dialog) => {
    seen.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    const isFault = ["error", "warning"].includes(message.type());
    const isExpected =
      expected?.test(message.text()) ||
      tellsNothingIsKept(message) ||
      NOT_KEPT.test(message.text());
    if (isFault && !isExpected) seen.faults.push(message.text());
  });
  // Without this, every visit would be one more call of the model's server. A test may route it elsewhere.
  await context.route("**/models", (route) => route.fulfill({ json: MODELS }));
  await page.exposeBinding("reportViolation", (_, violation) => seen.faults.push(violation));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      globalThis.reportViolation(`${event.violatedDirective}: ${event.blockedURI}`),
    );
  });
  t.after(async () => {
    await context.close();
    if (own !== browser) await own.close();
    assert.deepEqual(seen.faults, [], "the page does nothing that it should not do");
    const origin = new URL(url).origin;
    const strange = seen.requests.filter((each) => new URL(each).origin !== origin);
    assert.deepEqual(strange, [], "no request leaves the origin");
  });
  await page.goto(url);
  return seen;
}

/** Browsers log every response that is no success, also the one by which the page learns that nothing is kept. */
function tellsNothingIsKept(message) {
  const { pathname } = new URL(message.location().url || "about:blank");
  return pathname === "/conversations" && message.text().includes("409");
}

/** Opens an address in another tab of the same browser. */
export async function openTab(page, url) {
  const tab = await page.context().newPage();
  await tab.goto(url);
  return tab;
}

/** Writes a message and sends it with Enter. */
export async function say(page, message) {
  keepSecret(message);
  const field = page.getByLabel("Message", { exact: true });
  await field.fill(message);
  await field.press("Enter");
}

/** One of the exchanges on the page, the latest unless told. */
export function exchangeOn(page, index = -1) {
  const element = page.locator(".exchange").nth(index);
  return {
    element,
    question: element.locator(".question p"),
    answer: element.locator(".answer"),
    failure: element.locator(".failure"),
    retry: element.getByRole("button", { name: "Retry" }),
    ending: element.locator(".ending"),
    figures: element.locator(".figures"),
    status: element.locator(".status"),
    edit: element.getByRole("button", { name: "Edit this message" }),
    again: element.getByRole("button", { name: "Another answer" }),
    versionsOf: (what) => element.locator(`.${what}-versions`),
    /** Waits until the answer holds a text. */
    shows: (text) => element.locator(".answer", { hasText: text }).waitFor(),
    /** Waits until the exchange has become so. */
    is: (state) => element.and(page.locator(`[data-state="${state}"]`)).waitFor(),
    /** Waits until the answer is over and all of it is drawn, which is when it is announced. */
    isDrawn: () =>
      page.waitForFunction(() => document.querySelector("#announcer").textContent !== ""),
  };
}
