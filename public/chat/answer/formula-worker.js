/**
 * Draws formulas, in a worker. The page imports this module for its address alone, which has a digest of its content in
 * it.
 */
export const address = import.meta.url;

const isWorker = typeof document === "undefined";
if (isWorker) addEventListener("message", ({ data }) => answer(data));

async function answer(source) {
  const { formulaTree } = await import("./formula-tree.js");
  postMessage("ready");
  postMessage({ tree: formulaTree(source) });
}
