/**
 * What survives a reload. The conversation is kept in this tab, the settings in this browser, and the access token in
 * either, as the person chooses.
 * The page also works where the browser stores nothing.
 */

/** Most of a conversation that is saved, in UTF-16 units: well below what browsers allow. */
const MAX_SAVED_LENGTH = 2_000_000;

/** @returns {import("./conversation.js").Exchange[]} the saved conversation; an unfinished answer is now interrupted */
export function loadConversation() {
  const saved = read(() => sessionStorage, "conversation");
  if (!Array.isArray(saved)) return [];
  return saved.map((exchange) =>
    exchange.state === "streaming" ? { ...exchange, state: "interrupted" } : exchange,
  );
}

/** Saves as many of the latest exchanges as fit. @param {import("./conversation.js").Exchange[]} exchanges */
export function saveConversation(exchanges) {
  let room = MAX_SAVED_LENGTH;
  const saved = [];
  for (const exchange of exchanges.toReversed()) {
    room -= exchange.question.length + exchange.answer.length;
    if (room < 0) break;
    saved.unshift(exchange);
  }
  write(() => sessionStorage, "conversation", saved);
}

/** @returns {string | undefined} */
export function loadToken() {
  return read(() => sessionStorage, "access-token") ?? read(() => localStorage, "access-token");
}

/**
 * Keeps the access token for this tab or, if it is to be remembered, for this browser.
 *
 * @param {string | undefined} token `undefined` forgets it in both places
 * @param {{ isRemembered?: boolean }} [options]
 */
export function saveToken(token, { isRemembered = false } = {}) {
  write(() => sessionStorage, "access-token", isRemembered ? undefined : token);
  write(() => localStorage, "access-token", isRemembered ? token : undefined);
}

/** Whether the access token outlives this tab. */
export function isTokenRemembered() {
  return read(() => localStorage, "access-token") !== undefined;
}

/** @returns {import("./conversation.js").Settings} */
export function loadSettings() {
  return read(() => localStorage, "settings") ?? {};
}

export function saveSettings(settings) {
  write(() => localStorage, "settings", settings);
}

/** @returns {any} `undefined` if there is none */
export function load(key) {
  return read(() => localStorage, key);
}

/** @param {any} value `undefined` forgets it */
export function save(key, value) {
  write(() => localStorage, key, value);
}

/** Takes the storage as a function, because even naming it can throw. */
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
    // The page works without it, until the next reload.
  }
}
