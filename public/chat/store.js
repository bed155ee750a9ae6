/**
 * What outlives a reload: the conversation and the access token as long as the tab, the settings as long as the browser
 * keeps them. A browser that keeps nothing is no reason to fail.
 */

/** So much of a conversation is kept, in UTF-16 units: well below what browsers allow. */
const MAX_KEPT = 2_000_000;

/** @returns {import("./conversation.js").Exchange[]} an answer that was still coming is an interrupted one now */
export function loadConversation() {
  const kept = read(() => sessionStorage, "conversation");
  if (!Array.isArray(kept)) return [];
  return kept.map((exchange) =>
    exchange.state === "streaming" ? { ...exchange, state: "interrupted" } : exchange,
  );
}

/** Keeps the latest exchanges. @param {import("./conversation.js").Exchange[]} exchanges */
export function saveConversation(exchanges) {
  let room = MAX_KEPT;
  const kept = [];
  for (const exchange of exchanges.toReversed()) {
    room -= exchange.question.length + exchange.answer.length;
    if (room < 0) break;
    kept.unshift(exchange);
  }
  write(() => sessionStorage, "conversation", kept);
}

/** @returns {string | undefined} */
export function loadToken() {
  return read(() => sessionStorage, "access-token");
}

/** @param {string | undefined} token nothing forgets it */
export function saveToken(token) {
  write(() => sessionStorage, "access-token", token);
}

/** @returns {import("./conversation.js").Settings} */
export function loadSettings() {
  return read(() => localStorage, "settings") ?? {};
}

export function saveSettings(settings) {
  write(() => localStorage, "settings", settings);
}

/** A storage is asked for by a function, since to name it alone may throw. */
function read(storage, key) {
  try {
    return JSON.parse(storage().getItem(key)) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(storage, key, value) {
  try {
    if (value === undefined) storage().removeItem(key);
    else storage().setItem(key, JSON.stringify(value));
  } catch {
    // What is not kept is asked for again.
  }
}
