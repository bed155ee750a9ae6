/** One operation in the API reference, as a person uses it. */
import { keepSecret } from "./leaks.mjs";

/** @param {import("playwright-core").Page} page @param {string} id */
export function operationOn(page, id) {
  const element = page.locator(`#${id}`);
  const form = element.locator("form.try");
  const field = (name) => form.locator(`[name="${name}"]`);
  return {
    element,
    field,
    frames: form.locator(".frames li"),
    answer: form.locator(".answer-text"),
    body: form.locator("pre.body"),
    /** Fills in fields, those that are folded too, and sends. @param {Record<string, string>} values */
    async send(values = {}) {
      const more = form.locator("details.more").first();
      for (const [name, value] of Object.entries(values)) {
        if (name === "body") noteMessage(value);
        if (!(await field(name).isVisible())) await more.locator("summary").click();
        await field(name).fill(value);
      }
      await form.getByRole("button", { name: "Send" }).click();
    },
    /** Waits until the line about the answer says so. */
    status: (text) => form.locator(".status-line", { hasText: text }).waitFor(),
    /** The snippet that is shown. */
    code: () => element.locator(".snippets pre").filter({ visible: true }).textContent(),
  };
}

function noteMessage(body) {
  try {
    keepSecret(JSON.parse(body).message);
  } catch {
    // A test sends one that is no JSON.
  }
}
