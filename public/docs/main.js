/** The API reference can be read without this. It adds forms that send requests, and snippets that follow them. */
import { Access } from "./access.js";
import { Snippets } from "./snippet-view.js";
import { TryForm } from "./try-form.js";

const access = new Access();
const forms = new Map();

/** Fills in another operation's form and leads there: what one answers is what the next one asks for. */
function lead(id, values) {
  const form = forms.get(id);
  form.fill(values);
  form.focus();
}

for (const element of document.querySelectorAll("form.try")) {
  const operation = element.closest(".operation");
  const form = new TryForm(element, { access, lead, knows: (id) => forms.has(id) });
  forms.set(operation.id, form);
  new Snippets(operation.querySelector(".snippets"), form);
}

openTarget();
addEventListener("hashchange", openTarget);

/** An address may lead to something that is folded. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = target?.closest("details:not([open])");
  if (!folded) return;
  folded.open = true;
  target.scrollIntoView();
}
