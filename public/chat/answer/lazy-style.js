import { withTimeout } from "../timeout.js";

/** Longest time that a style sheet may take. */
const LOADING_MS = 30_000;

/** Those that are there or on their way, by their ids. @type {Map<string, Promise<void>>} */
const styles = new Map();

/**
 * Loads a style sheet that the page names, and does not need from the start. One that fails is loaded anew the next time.
 *
 * @param {string} id of its link
 * @param {() => Promise<void>} [onLoaded] is called once it is there, and waited for, too
 * @returns {Promise<void>}
 * @throws if it cannot be loaded
 */
export function loadStyle(id, onLoaded) {
  const known = styles.get(id);
  if (known) return known;
  const style = load(id).then(onLoaded);
  styles.set(id, style);
  style.catch(() => styles.delete(id));
  return style;
}

function load(id) {
  // A link that has failed does not load again.
  const old = document.getElementById(id);
  const link = old.cloneNode();
  const loading = new Promise((resolve, reject) => {
    link.onload = resolve;
    link.onerror = reject;
  });
  old.replaceWith(link);
  link.disabled = false;
  return withTimeout(loading, LOADING_MS);
}
