/**
 * Finds the colours of code, in a worker. The page imports this module for its address alone, which has a digest of its
 * content in it.
 */
export const address = import.meta.url;

const isWorker = typeof document === "undefined";
if (isWorker) addEventListener("message", ({ data }) => answer(data));

async function answer({ language, text }) {
  const { NAMES, loadLanguage, tokens } = await import("./tokens.js");
  const known = await loadLanguage(language);
  postMessage("ready");
  postMessage({ names: NAMES, ...tokens(known, text) });
}
