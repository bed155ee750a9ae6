import { signOutChannel } from "./sign-out-channel.js";
import { forgetToken, forgetTokenOfTab } from "./token.js";

/**
 * Signs out, in every tab of this browser.
 *
 * @param {import("../page.js").Page} page
 */
export async function signOut(page) {
  signOutChannel?.postMessage("");
  forgetToken();
  await page.forgetAll();
  leave();
}

/**
 * Signs out when another tab does. That tab leaves nothing in the browser. This one may hear of it late: by then, there
 * may be something of whoever has signed in since.
 *
 * @param {import("../page.js").Page} page
 */
export function signOutWithOthers(page) {
  signOutChannel?.addEventListener("message", () => {
    forgetTokenOfTab();
    page.close();
    leave();
  });
}

function leave() {
  document.documentElement.hidden = true;
  // Whoever goes back would see it as it was left.
  addEventListener("pageshow", () => location.reload());
  location.assign("/");
}
