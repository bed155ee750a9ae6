/**
 * The access token, which the chat page and the API reference share. It is kept in this tab, or on this device when the
 * person asks for that. Where the browser stores nothing, it lasts until the page is left.
 */

const KEY = "access-token";

/** What a header can carry. */
const VISIBLE_ASCII = /^[\x21-\x7e]+$/;

/** The token of a page that may store nothing. @type {string | undefined} */
let unstored;

/** @returns {string | undefined} the tab's own token, else the device's */
export function loadToken() {
  return read(() => sessionStorage) ?? read(() => localStorage) ?? unstored;
}

/** Whether the token outlives this tab. */
export function isRemembered() {
  return read(() => sessionStorage) === undefined && read(() => localStorage) !== undefined;
}

/**
 * Replaces the token everywhere.
 *
 * @param {string} token visible ASCII; see `isToken`
 * @param {{ remember?: boolean }} [options] `remember`: keep it on this device
 */
export function saveToken(token, { remember = false } = {}) {
  forgetToken();
  const isStored = write(() => (remember ? localStorage : sessionStorage), token);
  unstored = isStored ? undefined : token;
}

/** Forgets the token in this tab and on this device. Another tab may still have one of its own. */
export function forgetToken() {
  forgetTokenOfTab();
  remove(() => localStorage);
}

/** Forgets the token that this tab has for itself. */
export function forgetTokenOfTab() {
  unstored = undefined;
  remove(() => sessionStorage);
}

/** Whether a text can be sent as a token. */
export function isToken(text) {
  return VISIBLE_ASCII.test(text);
}

/** These take the storage as a function, because even naming it can throw. */
function read(storage) {
  try {
    const token = JSON.parse(storage().getItem(KEY));
    return typeof token === "string" && isToken(token) ? token : undefined;
  } catch {
    return undefined;
  }
}

function write(storage, token) {
  try {
    storage().setItem(KEY, JSON.stringify(token));
    return true;
  } catch {
    return false;
  }
}

function remove(storage) {
  try {
    storage().removeItem(KEY);
  } catch {
    // Nothing is stored where storing is forbidden.
  }
}
