import { ModelPicker } from "./account/model-picker.js";
import { TokenDialog } from "./account/token-dialog.js";
import { Api } from "./api.js";
import { Composer } from "./composer.js";
import { loadPart } from "./lazy.js";
import { keepForOffline } from "./offline/register.js";
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
const models = new ModelPicker(api);
/** @type {import("./account/settings-dialog.js").SettingsDialog | undefined} */
let settings;

/** The settings are loaded when they are first opened: few people ever do. */
async function openSettings() {
  try {
    if (!settings) {
      const part = loadPart(import("./account/settings-dialog.js"));
      const { SettingsDialog } = await sidebar.toast.during("Loading the settings…", part);
      settings ??= new SettingsDialog(page, {
        onSaved: () => models.show(),
        onRemovedAll: () => sidebar.reset(),
        beforeSignOut: () => sidebar.settle(),
        explain,
      });
    }
    settings.open(models);
  } catch {
    sidebar.toast.tell(
      "The settings could not be loaded. Check that you are online, then try again.",
    );
  }
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
models.load();
keepForOffline({
  mayReload: () =>
    page.isAtRest && !document.querySelector("dialog[open], .edit-question, .rename"),
});
