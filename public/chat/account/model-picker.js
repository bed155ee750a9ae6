import { loadSettings, saveSettings } from "../store.js";
import { loadModels } from "./models.js";

/** From this many models on, they can be filtered by a part of their names. */
const MANY = 9;
const GAP_PX = 4;

/** A quiet button with the model's name, and the list to choose another from. */
export class ModelPicker {
  #button = document.querySelector("#choose-model");
  #name = this.#button.querySelector("span");
  #popover = document.querySelector("#models");
  #filter = document.querySelector("#model-filter");
  #list = document.querySelector("#model-list");
  /** @type {Awaited<ReturnType<typeof loadModels>>} */
  #models;
  #loads = 0;
  #api;

  /** @param {import("../api.js").Api} api */
  constructor(api) {
    this.#api = api;
    this.#button.addEventListener("click", () => this.#toggle());
    this.#filter.addEventListener("input", () => this.#fill());
    this.#list.addEventListener("click", ({ target }) => {
      const option = target.closest("[role=option]");
      if (option) this.#choose(option.dataset.id);
    });
    this.#popover.addEventListener("keydown", (event) => this.#pressed(event));
    addEventListener("pointerdown", ({ target }) => {
      if (!this.#popover.contains(target) && !this.#button.contains(target)) this.#close();
    });
    addEventListener("resize", () => this.#close());
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

  #toggle() {
    if (this.#isOpen()) return this.#close();
    this.#filter.value = "";
    this.#filter.hidden = this.#ids().length < MANY;
    this.#fill();
    this.#popover.showPopover();
    this.#button.ariaExpanded = "true";
    const { left, bottom } = this.#button.getBoundingClientRect();
    const { style, offsetWidth } = this.#popover;
    style.left = `${Math.max(GAP_PX, Math.min(left, innerWidth - offsetWidth - GAP_PX))}px`;
    style.top = `${bottom + GAP_PX}px`;
    (this.#filter.hidden ? this.#list : this.#filter).focus({ preventScroll: true });
    this.#active()?.scrollIntoView({ block: "nearest" });
  }

  #close() {
    if (!this.#isOpen()) return;
    const hadFocus = this.#popover.contains(document.activeElement);
    this.#popover.hidePopover();
    this.#button.ariaExpanded = "false";
    if (hadFocus) this.#button.focus();
  }

  #isOpen() {
    return this.#button.ariaExpanded === "true";
  }

  #choose(id) {
    // The default is not written down, so that it follows the deployment's.
    const model = id === this.#models.standard ? undefined : id;
    saveSettings({ ...loadSettings(), model });
    this.show();
    this.#close();
  }

  /** One that was chosen earlier and is not listed any more stays visible until another is chosen. */
  #ids() {
    return [...new Set([...this.#models.ids, this.#chosen()])];
  }

  #fill() {
    const sought = this.#filter.value.trim().toLowerCase();
    const ids = this.#ids().filter((id) => id.toLowerCase().includes(sought));
    this.#list.replaceChildren(...ids.map((id, index) => this.#option(id, index)));
    document.querySelector("#no-models").hidden = ids.length > 0;
    const options = Array.from(this.#list.children);
    this.#activate(options.find(({ ariaSelected }) => ariaSelected === "true") ?? options[0]);
  }

  #option(id, index) {
    const option = document.createElement("div");
    Object.assign(option, { id: `model-${index}`, role: "option", textContent: id });
    option.ariaSelected = `${id === this.#chosen()}`;
    option.dataset.id = id;
    if (id === this.#models.standard) option.dataset.note = "default";
    return option;
  }

  #active() {
    return this.#list.querySelector(".active");
  }

  #activate(option) {
    this.#active()?.classList.remove("active");
    option?.classList.add("active");
    for (const element of [this.#filter, this.#list]) {
      element.setAttribute("aria-activedescendant", option?.id ?? "");
    }
    option?.scrollIntoView({ block: "nearest" });
  }

  #pressed(event) {
    const active = this.#active();
    if (event.isComposing) return;
    if (event.key === "ArrowDown") this.#activate(active?.nextElementSibling ?? active);
    else if (event.key === "ArrowUp") this.#activate(active?.previousElementSibling ?? active);
    else if (event.key === "Enter") active && this.#choose(active.dataset.id);
    else if (event.key === "Escape" || event.key === "Tab") this.#close();
    else return;
    event.preventDefault();
  }
}
