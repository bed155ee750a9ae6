/** What keeps a person from using a page, by axe-core. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * The serious findings on a page.
 *
 * @param {import("playwright-core").Page} page
 * @param {string[]} [accepted] rules whose findings are left out
 * @returns {Promise<string[]>}
 */
export async function findings(page, accepted = []) {
  // The debugger adds the script, so the page's policy can stay as it is.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ id, impact }) => ["serious", "critical"].includes(impact) && !accepted.includes(id))
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
    );
}
