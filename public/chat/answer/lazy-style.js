import { withTimeout } from "../timeout.js";

/** Longest time that a style sheet may take. */
const LOADING_MS = 30_000;

/**
 * Loads a style sheet that the page names, and does not need from the start.
 *
 * @param {string} id of its link
 * @throws if it cannot be loaded
 */
export function loadStyle(id) {
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
