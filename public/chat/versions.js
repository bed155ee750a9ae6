/**
 * Shows `‹ 2/3 ›` to leaf through the versions of a question or an answer, if there are several.
 *
 * @param {HTMLElement} element
 * @param {"question" | "answer"} what
 * @param {{ all: Exchange[], exchange: Exchange, choose: (exchange: Exchange) => void }} versions
 *
 * @typedef {import("./turns.js").Exchange} Exchange
 */
export function showVersions(element, what, { all, exchange, choose }) {
  element.hidden = all.length < 2;
  if (element.hidden) return;
  const at = all.indexOf(exchange);
  const [before, after] = element.querySelectorAll("button");
  element.querySelector("span").textContent = `${at + 1}/${all.length}`;
  element.ariaLabel = `Version ${at + 1} of ${all.length} of this ${what}`;
  for (const [button, version, name] of [
    [before, all[at - 1], "Previous"],
    [after, all[at + 1], "Next"],
  ]) {
    button.disabled = version === undefined;
    button.ariaLabel = `${name} version of the ${what}`;
    button.onclick = () => choose(version);
  }
}
