import { ChatError } from "../api.js";
import { load, save } from "../store.js";
import { BrowserKeeper } from "./browser.js";
import { ServerKeeper } from "./server.js";

/** Answers of a service that keeps nothing, or not for this person. */
const KEEPS_NOTHING = ["conversations_unavailable", "not_found"];

/**
 * Finds out who keeps the conversations: the service, or this browser. Offline it is whoever kept them last.
 *
 * @param {import("../api.js").Api} api
 * @returns {Promise<ServerKeeper | BrowserKeeper>}
 */
export async function chooseKeeper(api) {
  const kind = (await keptBy(api)) ?? load("kept-by") ?? "server";
  save("kept-by", kind);
  return kind === "browser" ? new BrowserKeeper(api) : new ServerKeeper(api);
}

/** Whether an error says that the service keeps nothing. */
export function keepsNothing(error) {
  return error instanceof ChatError && KEEPS_NOTHING.includes(error.problem.code);
}

async function keptBy(api) {
  try {
    await api.request("/conversations?limit=1");
    return "server";
  } catch (error) {
    return keepsNothing(error) ? "browser" : undefined;
  }
}
