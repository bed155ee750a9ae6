import { ChatError } from "../api.js";
import { loadPart } from "../lazy.js";
import { untilItWorks } from "../patience.js";
import { load, loadFromTab, save } from "../store.js";
import { database } from "./database.js";
import { ServerKeeper } from "./server.js";

/** Answers of a service that keeps nothing, or not for this person. */
const KEEPS_NOTHING = ["conversations_unavailable", "not_found"];

/**
 * Who keeps the conversations, and what was taken over from an earlier version of the page.
 *
 * @typedef {ServerKeeper | import("./browser.js").BrowserKeeper | import("./both.js").BothKeeper} Keeper They have the same
 *   methods, which `ServerKeeper` describes.
 *
 * @typedef {{ keeper: Keeper, isKnown: boolean, takenId?: string }} Choice `isKnown`: the service has told
 */

/**
 * Finds out who keeps the conversations: the service, or this browser. Offline it is whoever kept them last.
 *
 * @param {import("../api.js").Api} api
 * @param {() => void} onDelay is called when a file that this needs takes long. It is waited for
 * @returns {Promise<Choice>}
 */
export async function chooseKeeper(api, onDelay) {
  const told = await keptBy(api);
  const isKnown = told !== undefined;
  const kind = told ?? load("kept-by") ?? "server";
  save("kept-by", kind);
  const server = new ServerKeeper(api);
  if (kind === "server" && !(await hasAnyHere())) return { keeper: server, isKnown };
  const { BothKeeper, BrowserKeeper, takeOver } = await untilItWorks(
    () => loadPart(() => import("./here.js")),
    (failures) => failures === 1 && onDelay(),
  );
  const here = new BrowserKeeper(api);
  const takenId = await takeOver(here);
  if (kind === "browser") return { keeper: here, isKnown, takenId };
  // What cannot be read now says so in the list.
  const hasSome = await here.list({ limit: 1 }).then(
    ({ conversations }) => conversations.length > 0,
    () => true,
  );
  const keeper = hasSome ? new BothKeeper(server, here) : server;
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

/** Whether this browser keeps a conversation, or an earlier version of the page has left one in this tab. */
async function hasAnyHere() {
  if (loadFromTab("conversation") !== undefined) return true;
  try {
    return (await (await database()).count("summaries")) > 0;
  } catch {
    // The browser stores nothing.
    return false;
  }
}

async function keptBy(api) {
  try {
    await api.request("/conversations?limit=1");
    return "server";
  } catch (error) {
    return keepsNothing(error) ? "browser" : undefined;
  }
}
