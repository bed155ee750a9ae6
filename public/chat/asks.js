import { load, save, savedKeys } from "./store.js";
import { titleOf } from "./turns.js";

/**
 * Questions that nobody else keeps yet: those that wait, are on their way, or failed before their answer began. They are
 * saved before they are sent, with the id of their answer, so that a reload neither loses one nor buys an answer twice.
 *
 * @typedef {object} SavedAsk
 * @property {string} answerId
 * @property {string} [parentId] the answer of the exchange that it follows
 * @property {string} message
 * @property {"queued" | "streaming" | "stopped" | "failed"} state
 * @property {{ after: string | null, model?: string, maxTokens?: number }} [sent] what else was sent
 * @property {import("./api.js").Problem} [problem]
 * @property {string} [since] when it was asked, if nobody keeps anything of its conversation yet
 */

const ASKS = "asks ";
const DRAFT = "draft ";
const EDITS = "edits ";
/** Under this name are the answers that a person has stopped and the service may not know of yet. */
export const STOPS = "stops";

/** A draft that is much longer than what can be sent is saved when the typing pauses: that takes a while. */
const LONG_DRAFT = 50_000;
const PAUSE_MS = 500;

/** Saves the draft that is not saved yet. @type {(() => void) | undefined} */
let saveLate;
let lateTimer = 0;
let lateId = "";
globalThis.addEventListener?.("pagehide", () => saveLate?.());

/** @returns {SavedAsk[]} */
export function loadAsks(conversationId) {
  const asks = load(ASKS + conversationId);
  return Array.isArray(asks) ? asks : [];
}

/**
 * Saves those of some exchanges. What another tab has saved stays as it is.
 *
 * @param {import("./turns.js").Exchange[]} exchanges
 * @param {Set<string>} [unwanted] ids of answers that nobody wants any more
 */
export function saveAsks(conversationId, exchanges, unwanted = new Set()) {
  const known = new Set(exchanges.map(({ answerId }) => answerId));
  const others = loadAsks(conversationId).filter(
    ({ answerId }) => !known.has(answerId) && !unwanted.has(answerId),
  );
  const isNew = exchanges.every(isUnkept);
  const now = new Date().toISOString();
  const own = exchanges.filter(isUnkept).map((exchange) => ({
    since: isNew ? now : undefined,
    answerId: exchange.answerId,
    parentId: exchange.parentId ?? exchange.parent?.answerId,
    message: exchange.question,
    // What was stopped is not sent again after a reload.
    state: exchange.isStopping ? "stopped" : exchange.state,
    sent: exchange.sent,
    problem: exchange.problem,
  }));
  const asks = [...others, ...own];
  save(ASKS + conversationId, asks.length > 0 ? asks : undefined);
}

/** The conversations of which nobody keeps anything yet, as the list shows them. */
export function unkeptConversations() {
  const keys = savedKeys().filter((key) => key.startsWith(ASKS));
  return keys.flatMap((key) => {
    const id = key.slice(ASKS.length);
    const [ask] = loadAsks(id);
    if (!ask?.since) return [];
    return { id, title: titleOf(ask.message), updated_at: ask.since, state: ask.state };
  });
}

/**
 * Whether a conversation has nothing but questions that failed before their answers began. Nobody keeps it, so that it
 * has no title of its own and nothing to export. While a question is on its way, the service does keep it.
 */
export function isUnanswered(conversationId) {
  const asks = loadAsks(conversationId);
  return asks[0]?.since !== undefined && asks.every(({ state }) => state !== "streaming");
}

/** Tells when another tab has saved the questions of a conversation. @param {(conversationId: string) => void} act */
export function onAsksElsewhere(act) {
  addEventListener("storage", ({ key }) => {
    if (key?.startsWith(ASKS)) act(key.slice(ASKS.length));
  });
}

/** Whether nobody else keeps an exchange. @param {import("./turns.js").Exchange} exchange */
export function isUnkept(exchange) {
  return exchange.turnId === undefined && exchange.answer === "";
}

/** What the person has begun to write. @returns {string} */
export function loadDraft(conversationId = "") {
  saveLate?.();
  return load(DRAFT + conversationId) ?? "";
}

export function saveDraft(conversationId = "", text) {
  if (lateId !== conversationId) saveLate?.();
  clearTimeout(lateTimer);
  const write = () => {
    saveLate = undefined;
    clearTimeout(lateTimer);
    save(DRAFT + conversationId, text || undefined);
  };
  if (text.length <= LONG_DRAFT) return write();
  saveLate = write;
  lateId = conversationId;
  lateTimer = setTimeout(write, PAUSE_MS);
}

/** The questions that the person has begun to edit, by the ids of their answers. @returns {Map<string, string>} */
export function loadEdits(conversationId) {
  return new Map(Object.entries(load(EDITS + conversationId) ?? {}));
}

/** @param {string | undefined} text `undefined` forgets it */
export function saveEdit(conversationId, answerId, text) {
  const edits = loadEdits(conversationId);
  if (text === undefined) edits.delete(answerId);
  else edits.set(answerId, text);
  save(EDITS + conversationId, edits.size > 0 ? Object.fromEntries(edits) : undefined);
}

/**
 * What the person has written in a conversation and nobody keeps, in one text.
 *
 * @param {string} conversationId
 * @param {import("./turns.js").Exchange[]} exchanges what the page knows of it
 * @param {string} [draft] what is in the field, if the conversation is shown
 */
export function unkeptWords(conversationId, exchanges, draft = loadDraft(conversationId)) {
  return together(
    ...loadAsks(conversationId).map(({ message }) => message),
    ...exchanges.filter(isUnkept).map(({ question }) => question),
    ...exchanges.filter(isEdited).map(({ edit }) => edit),
    ...loadEdits(conversationId).values(),
    draft,
  );
}

/** Texts in one, each of them once. @param {string[]} texts */
export function together(...texts) {
  return [...new Set(texts)].filter((text) => text.trim() !== "").join("\n\n");
}

/** Whether the person has changed a question and not sent it. @param {import("./turns.js").Exchange} exchange */
function isEdited({ edit, question }) {
  return edit !== undefined && edit !== question;
}

/** Forgets what was to be asked in a conversation, or what was to be asked and stopped in all. @param {string} [conversationId] */
export function forgetAsks(conversationId) {
  saveLate?.();
  for (const key of savedKeys()) {
    const isMeant = [ASKS, DRAFT, EDITS, STOPS].some((kind) =>
      conversationId === undefined ? key.startsWith(kind) : key === kind + conversationId,
    );
    if (isMeant) save(key, undefined);
  }
}
