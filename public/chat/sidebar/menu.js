/** Between the menu and its button, and between the menu and the window's edge. */
const GAP_PX = 4;

/** A menu that opens beside a button, by the pattern of the ARIA Authoring Practices. */
export class Menu {
  #element;
  /** The button that it is open for. @type {HTMLButtonElement | undefined} */
  #button;
  /** @type {((name: string, byKeyboard: boolean) => void) | undefined} */
  #onChosen;

  /** @param {HTMLElement} element a manual popover; its buttons have their names in `data-action` */
  constructor(element) {
    this.#element = element;
    for (const item of this.#items) {
      item.addEventListener("click", (event) => {
        const onChosen = this.#onChosen;
        this.close();
        // A click by keyboard has no count.
        onChosen?.(item.dataset.action, event.detail === 0);
      });
      item.addEventListener("pointermove", () => item.focus({ preventScroll: true }));
    }
    element.addEventListener("keydown", (event) => this.#pressed(event));
    // A popover that closes by itself would close at the press of its own button, which would then open it again.
    addEventListener("pointerdown", ({ target }) => {
      if (!this.#element.contains(target) && !this.#button?.contains(target)) this.close();
    });
    addEventListener("resize", () => this.close());
    // Of the list alone: the conversation also scrolls by itself, as an answer grows.
    const list = document.querySelector("#list-scroller");
    list.addEventListener("scroll", () => this.close(), { passive: true });
  }

  /**
   * Opens the menu, or closes it if it is open for this button.
   *
   * @param {HTMLButtonElement} button
   * @param {(name: string, byKeyboard: boolean) => void} onChosen
   * @param {(name: string) => boolean} offers whether an item is shown
   */
  toggle(button, onChosen, offers) {
    const isOpen = this.#button === button;
    this.close();
    if (isOpen) return;
    this.#button = button;
    this.#onChosen = onChosen;
    button.ariaExpanded = "true";
    for (const item of this.#element.children) item.hidden = !offers(item.dataset.action);
    this.#element.showPopover();
    this.#place(button.getBoundingClientRect());
    this.#items[0].focus({ preventScroll: true });
  }

  close() {
    if (!this.#button) return;
    const button = this.#button;
    const hadFocus = this.#element.contains(document.activeElement);
    this.#button = undefined;
    this.#onChosen = undefined;
    button.ariaExpanded = "false";
    this.#element.hidePopover();
    if (hadFocus) button.focus({ preventScroll: true });
  }

  /** What is shown. @returns {HTMLButtonElement[]} */
  get #items() {
    return Array.from(this.#element.children).filter(({ hidden }) => !hidden);
  }

  #place(button) {
    const { offsetWidth: width, offsetHeight: height, style } = this.#element;
    const below = button.bottom + GAP_PX;
    const fitsBelow = below + height + GAP_PX <= innerHeight;
    const top = fitsBelow ? below : button.top - height - GAP_PX;
    const left = Math.min(button.left, innerWidth - width - GAP_PX);
    style.top = `${Math.max(GAP_PX, top)}px`;
    style.left = `${Math.max(GAP_PX, left)}px`;
  }

  #pressed(event) {
    const items = this.#items;
    const at = items.indexOf(document.activeElement);
    const last = items.length - 1;
    const next = {
      ArrowDown: at === last ? 0 : at + 1,
      ArrowUp: at <= 0 ? last : at - 1,
      Home: 0,
      End: last,
    };
    if (Object.hasOwn(next, event.key)) items[next[event.key]].focus();
    else if (event.key === "Escape" || event.key === "Tab") this.close();
    else return;
    event.preventDefault();
  }
}
