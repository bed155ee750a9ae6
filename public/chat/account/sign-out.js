import { saveToken } from "../store.js";

/** Reaches the other tabs of this browser. */
const tabs = new BroadcastChannel("sign-out");

/**
 * Signs out, in every tab of this browser.
 *
 * @param {import("../page.js").Page} page
 */
export async function signOut(page) {
  tabs.postMessage("");
  await leave(page);
}

/** Signs out when another tab does. @param {import("../page.js").Page} page */
export function signOutWithOthers(page) {
  tabs.onmessage = () => leave(page);
}

async function leave(page) {
  saveToken(undefined);
  await page.forgetAll();
  // Whoever goes back would see it as it was left.
  addEventListener("pageshow", () => location.reload());
  location.assign("/");
}
