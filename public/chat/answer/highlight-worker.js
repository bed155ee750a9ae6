/**
 * Finds the colours of code, in a worker. The page imports this module for its address alone, which has a digest of its
 * content in it.
 */
export const address = import.meta.url;

const isWorker = typeof document === "undefined";
if (isWorker) addEventListener("message", ({ data }) => answer(data));

async function answer({ language, text }) {
  const loaded = await load(language).catch(() => undefined);
  postMessage(loaded ? "ready" : "failed");
  if (loaded) postMessage({ names: loaded.NAMES, ...loaded.tokens(loaded.known, text) });
}

async function load(language) {
  const { NAMES, loadLanguage, tokens } = await import("./tokens.js");
  return { NAMES, tokens, known: await loadLanguage(language) };
}
