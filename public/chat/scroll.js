/** A reader who is nearer to the end than this counts as being at the end. */
const NEAR_PX = 40;

/** Scrolls along as the conversation grows, unless the reader has scrolled up. */
export class Follower {
  #scroller;
  #jump;
  #follows = true;
  /** Whether who scrolls is the reader. It may also be the page, which leads to a place that is near the end by chance. */
  #isReader = true;
  #lastTop = 0;

  /** @param {HTMLElement} scroller @param {HTMLElement} jump the button that scrolls to the end */
  constructor(scroller, jump) {
    this.#scroller = scroller;
    this.#jump = jump;
    // Some browsers scroll by keyboard only what can have the focus.
    scroller.tabIndex = 0;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    for (const type of ["wheel", "touchmove", "pointerdown", "keydown"])
      scroller.addEventListener(type, () => (this.#isReader = true), { passive: true });
    // After the layout, to know how high the conversation is costs nothing. Before it, that takes a layout of its own.
    const sizes = new ResizeObserver(() => this.#follow());
    sizes.observe(scroller);
    sizes.observe(scroller.firstElementChild);
    jump.addEventListener("click", () => this.toEnd());
  }

  /** No longer scrolls along as the conversation grows. */
  stay() {
    this.#follows = false;
    this.#isReader = false;
  }

  toEnd() {
    this.#follows = true;
    this.#isReader = true;
    // What is about to be shown is there by then.
    requestAnimationFrame(() => this.#follow());
  }

  #follow() {
    const follows = this.#follows && !this.#isEditing();
    if (follows) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#jump.hidden = follows || this.#distance() < NEAR_PX;
  }

  /** Growing text never scrolls up, so scrolling up is the reader's doing. */
  #scrolled() {
    const { scrollTop } = this.#scroller;
    if (this.#distance() < NEAR_PX) this.#follows ||= this.#isReader;
    else if (scrollTop < this.#lastTop) this.#follows = false;
    this.#lastTop = scrollTop;
    this.#jump.hidden = this.#follows || this.#distance() < NEAR_PX;
  }

  /** Whoever edits a question does not lose sight of it. */
  #isEditing() {
    return this.#scroller.contains(document.activeElement?.closest(".edit-question") ?? null);
  }

  #distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }
}
