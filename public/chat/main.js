import { ModelPicker } from "./account/model-picker.js";
import { signOut, signOutWithOthers } from "./account/sign-out.js";
import { TokenDialog } from "./account/token-dialog.js";
import { Api } from "./api.js";
import { Composer } from "./composer.js";
import { Page } from "./page.js";
import { explain } from "./sidebar/notes.js";
import { Sidebar } from "./sidebar/sidebar.js";

const tokenDialog = new TokenDialog();
const composer = new Composer({
  onSend: (message) => page.send(message),
  onStop: () => page.stop(),
  onDraft: (text) => page.draft(text),
});
const api = new Api((wasRefused) => tokenDialog.ask(wasRefused));
const page = new Page({ api, composer, standardModel: () => models.standard });
const sidebar = new Sidebar(page, () => api.signIn());
const models = new ModelPicker(api, sidebar.toast);
/** @type {import("./account/settings-dialog.js").SettingsDialog | undefined} */
let settings;

/** The settings are loaded when they are first opened: few people ever do. */
async function openSettings() {
  if (!settings) {
    const part = await sidebar.toast.loading(
      "settings",
      () => import("./account/settings-dialog.js"),
    );
    if (!part) return;
    settings ??= new part.SettingsDialog(page, {
      onSaved: () => models.show(),
      onRemovedAll: () => sidebar.reset(),
      onSignOut: async () => {
        // A deletion still needs the access token.
        await sidebar.settle();
        await signOut(page);
      },
      explain,
    });
  }
  settings.open(models);
}

tokenDialog.addEventListener("given", () => {
  models.load();
  page.signedIn();
});
page.addEventListener("opened", () => composer.focusUnlessTouch());
for (const example of document.querySelectorAll(".examples button")) {
  example.addEventListener("click", () => composer.write(example.textContent));
}
for (const button of document.querySelectorAll(".open-settings")) {
  button.addEventListener("click", openSettings);
}
document.addEventListener("keydown", (event) => {
  const isEscape =
    event.key === "Escape" && !event.isComposing && !event.defaultPrevented && !event.repeat;
  if (isEscape && !document.querySelector("dialog[open]")) page.stop();
});

page.start();
signOutWithOthers(page);
models.load();
// The page itself comes first.
addEventListener("load", async () => {
  const mayReload = () =>
    page.isAtRest && !document.querySelector("dialog[open], .edit-question, .rename");
  // Without it, the page works as long as there is a network.
  const part = await import("./offline/register.js").catch(() => undefined);
  part?.keepForOffline({ mayReload });
});
