import { loadSettings, saveSettings } from "../store.js";
import { loadModels } from "./models.js";

/** A quiet button with the model's name. The list to choose another from is loaded when it is first opened. */
export class ModelPicker {
  #button = document.querySelector("#choose-model");
  #name = this.#button.querySelector("span");
  /** @type {Awaited<ReturnType<typeof loadModels>>} */
  #models;
  #loads = 0;
  #api;
  /** @type {import("./model-list.js").ModelList | undefined} */
  #list;

  /**
   * @param {import("../api.js").Api} api
   * @param {import("../sidebar/toast.js").Toast} toast
   */
  constructor(api, toast) {
    this.#api = api;
    this.#button.addEventListener("click", async () => {
      if (this.#list) return this.#list.toggle(this.#models, this.#chosen());
      const part = await toast.loading("models", () => import("./model-list.js"));
      // A second click may have come before it was loaded, or the service offers none any more.
      if (!part || this.#list || !this.#models) return;
      this.#list = new part.ModelList(this.#button, (id) => this.#choose(id));
      this.#list.toggle(this.#models, this.#chosen());
    });
  }

  /** The model that answers when none is chosen, once it is known. @returns {string | undefined} */
  get standard() {
    return this.#models?.standard;
  }

  /** Whether there are several. */
  get canChoose() {
    return this.#models?.ids.length > 1;
  }

  /** What the service tells the assistant first, if it shows that. @returns {string | undefined} */
  get instructions() {
    return this.#models?.instructions;
  }

  /** Loads the list again: which models there are may depend on the access token. */
  async load() {
    const load = ++this.#loads;
    const models = await loadModels(this.#api);
    if (load !== this.#loads) return;
    this.#models = models;
    this.show();
  }

  /** Shows the model that the settings have now. */
  show() {
    this.#button.hidden = this.#models === undefined;
    this.#name.textContent = this.#chosen();
  }

  #chosen() {
    return loadSettings().model ?? this.#models?.standard ?? "";
  }

  #choose(id) {
    // The default is not written down, so that it follows the deployment's.
    const model = id === this.#models?.standard ? undefined : id;
    saveSettings({ ...loadSettings(), model });
    this.show();
  }
}
