/** What it takes to keep conversations in this browser: it is loaded only where there are any. */
export { BothKeeper } from "./both.js";
export { BrowserKeeper } from "./browser.js";
export { takeOver } from "./takeover.js";
