/** From this many models on, they can be filtered by a part of their names. */
const MANY = 9;
const GAP_PX = 4;

/** The list to choose a model from, below the button that opens it. */
export class ModelList {
  #popover = document.querySelector("#models");
  #filter = document.querySelector("#model-filter");
  #list = document.querySelector("#model-list");
  /** @type {string[]} */
  #ids;
  #standard;
  #chosen;
  #button;
  #onChosen;

  /**
   * @param {HTMLButtonElement} button
   * @param {(id: string) => void} onChosen
   */
  constructor(button, onChosen) {
    this.#button = button;
    this.#onChosen = onChosen;
    this.#filter.addEventListener("input", () => this.#fill());
    this.#list.addEventListener("click", ({ target }) => {
      const option = target.closest("[role=option]");
      if (option) this.#choose(option.dataset.id);
    });
    this.#popover.addEventListener("keydown", (event) => this.#pressed(event));
    addEventListener("pointerdown", ({ target }) => {
      if (!this.#popover.contains(target) && !button.contains(target)) this.#close();
    });
    // A phone's keyboard changes the height alone.
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth !== width) this.#close();
      width = innerWidth;
    });
  }

  /**
   * @param {Awaited<ReturnType<import("./models.js").loadModels>>} models
   * @param {string} chosen
   */
  toggle({ ids, standard }, chosen) {
    if (this.#isOpen()) return this.#close();
    // One that was chosen earlier and is not listed any more stays visible until another is chosen.
    this.#ids = [...new Set([...ids, chosen])];
    this.#standard = standard;
    this.#chosen = chosen;
    this.#filter.value = "";
    this.#filter.hidden = this.#ids.length < MANY;
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

  #choose(id) {
    this.#onChosen(id);
    this.#close();
  }

  #isOpen() {
    return this.#button.ariaExpanded === "true";
  }

  #fill() {
    const sought = this.#filter.value.trim().toLowerCase();
    const ids = this.#ids.filter((id) => id.toLowerCase().includes(sought));
    this.#list.replaceChildren(...ids.map((id, index) => this.#option(id, index)));
    document.querySelector("#no-models").hidden = ids.length > 0;
    const options = Array.from(this.#list.children);
    this.#activate(options.find(({ ariaSelected }) => ariaSelected === "true") ?? options[0]);
  }

  #option(id, index) {
    const option = document.createElement("div");
    Object.assign(option, { id: `model-${index}`, role: "option", textContent: id });
    option.ariaSelected = `${id === this.#chosen}`;
    option.dataset.id = id;
    if (id === this.#standard) option.dataset.note = "default";
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
