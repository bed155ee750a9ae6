import { Api } from "./api.js";
import { Composer } from "./composer.js";
import { keepForOffline } from "./offline/register.js";
import { Page } from "./page.js";
import { SettingsDialog } from "./settings-dialog.js";
import { TokenDialog } from "./token-dialog.js";

const tokenDialog = new TokenDialog();
new SettingsDialog();
const composer = new Composer({
  onSend: (message) => page.send(message),
  onStop: () => page.stop(),
  onDraft: (text) => page.draft(text),
});
const api = new Api((wasRefused) => tokenDialog.ask(wasRefused));
const page = new Page({ api, composer });

document.querySelector("#new-conversation").addEventListener("click", () => page.open());
page.addEventListener("opened", () => composer.focusUnlessTouch());
for (const example of document.querySelectorAll(".examples button")) {
  example.addEventListener("click", () => composer.write(example.textContent));
}
document.addEventListener("keydown", (event) => {
  const isEscape = event.key === "Escape" && !event.isComposing && !event.defaultPrevented;
  if (isEscape && !document.querySelector("dialog[open]")) page.stop();
});

page.start();
keepForOffline({
  mayReload: () => page.isAtRest && !document.querySelector("dialog[open], .edit-question"),
});
