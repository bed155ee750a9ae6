/**
 * What survives a reload, beside the conversations and the access token. It is kept in this browser. The page also works
 * where the browser stores nothing.
 */

/** What the browser has no room for, or may not store. It lasts until the page is left. @type {Map<string, any>} */
const unstored = new Map();

/** @typedef {{ model?: string, maxTokens?: number }} Settings */

/** @returns {Settings} */
export function loadSettings() {
  return load("settings") ?? {};
}

export function saveSettings(settings) {
  save("settings", settings);
}

/** @returns {boolean} whether the sidebar is folded away */
export function loadFolded() {
  return load("sidebar") === "folded";
}

/** @param {boolean} isFolded */
export function saveFolded(isFolded) {
  save("sidebar", isFolded ? "folded" : undefined);
}

/** @returns {any} `undefined` if there is none */
export function load(key) {
  return unstored.has(key) ? unstored.get(key) : read(() => localStorage, key);
}

/** @param {any} value `undefined` forgets it */
export function save(key, value) {
  if (write(() => localStorage, key, value)) unstored.delete(key);
  else unstored.set(key, value);
}

/** The names of what is saved. @returns {string[]} */
export function savedKeys() {
  try {
    return [...Object.keys(localStorage), ...unstored.keys()];
  } catch {
    return [...unstored.keys()];
  }
}

/** What an earlier version of the page has saved in this tab. */
export function loadFromTab(key) {
  return read(() => sessionStorage, key);
}

/** Forgets what is saved in this tab alone. */
export function forgetInTab(key) {
  write(() => sessionStorage, key, undefined);
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
    return true;
  } catch {
    return false;
  }
}
