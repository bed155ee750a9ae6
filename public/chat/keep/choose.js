import { ChatError } from "../api.js";
import { load, save } from "../store.js";
import { BothKeeper } from "./both.js";
import { BrowserKeeper } from "./browser.js";
import { ServerKeeper } from "./server.js";
import { takeOver } from "./takeover.js";

/** Answers of a service that keeps nothing, or not for this person. */
const KEEPS_NOTHING = ["conversations_unavailable", "not_found"];

/**
 * Who keeps the conversations, and what was taken over from an earlier version of the page.
 *
 * @typedef {{ keeper: ServerKeeper, isKnown: boolean, takenId?: string }} Choice `isKnown`: the service has told
 */

/**
 * Finds out who keeps the conversations: the service, or this browser. Offline it is whoever kept them last.
 *
 * @param {import("../api.js").Api} api
 * @returns {Promise<Choice>}
 */
export async function chooseKeeper(api) {
  const told = await keptBy(api);
  const isKnown = told !== undefined;
  const kind = told ?? load("kept-by") ?? "server";
  save("kept-by", kind);
  const here = new BrowserKeeper(api);
  const takenId = await takeOver(here);
  if (kind === "browser") return { keeper: here, isKnown, takenId };
  const server = new ServerKeeper(api);
  const { conversations } = await here.list({ limit: 1 });
  const keeper = conversations.length > 0 ? new BothKeeper(server, here) : server;
  return { keeper, isKnown, takenId };
}

/** Whether it is this browser that keeps the conversations. */
export function isKeptHere() {
  return load("kept-by") === "browser";
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
