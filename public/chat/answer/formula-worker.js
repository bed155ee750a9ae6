/**
 * Draws formulas, in a worker. The page imports this module for its address alone, which has a digest of its content in
 * it.
 */
export const address = import.meta.url;

const isWorker = typeof document === "undefined";
if (isWorker) addEventListener("message", ({ data }) => answer(data));

async function answer(source) {
  const loaded = await import("./formula-tree.js").catch(() => undefined);
  postMessage(loaded ? "ready" : "failed");
  if (loaded) postMessage({ tree: loaded.formulaTree(source) });
}
