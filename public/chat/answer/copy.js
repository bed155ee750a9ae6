/** How long a button shows the outcome. */
const OUTCOME_MS = 2000;

/**
 * Makes a button copy a text and show whether that worked.
 *
 * @param {HTMLButtonElement} button
 * @param {() => string} text
 */
export function copyOnClick(button, text) {
  const label = button.querySelector("span") ?? button;
  const name = label.textContent;
  button.addEventListener("click", async () => {
    label.textContent = (await copy(text())) ? "Copied" : "Copy failed";
    setTimeout(() => {
      label.textContent = name;
    }, OUTCOME_MS);
  });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** Without https there is no clipboard API, and the browser may deny access to it. */
function copyBySelection(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return copied;
}
