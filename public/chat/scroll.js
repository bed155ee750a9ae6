/** Nearer to the end than this is at the end. */
const NEAR_PX = 40;

/** Keeps the end of the conversation in sight for as long as the reader is there, and leaves a reader who is not alone. */
export class Follower {
  #scroller;
  #jump;
  #follows = true;
  #last = 0;

  /** @param {HTMLElement} scroller @param {HTMLElement} jump the button that leads back to the end */
  constructor(scroller, jump) {
    this.#scroller = scroller;
    this.#jump = jump;
    // Not every browser lets the keyboard scroll what has no focus.
    scroller.tabIndex = 0;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.follow()).observe(scroller);
    jump.addEventListener("click", () => this.toEnd());
  }

  /** To be called when the conversation may have grown. */
  follow() {
    if (this.#follows) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#jump.hidden = this.#follows || this.#distance() < NEAR_PX;
  }

  toEnd() {
    this.#follows = true;
    this.follow();
  }

  /** Text that grows moves nothing upwards: only a reader does. */
  #scrolled() {
    const { scrollTop } = this.#scroller;
    if (this.#distance() < NEAR_PX) this.#follows = true;
    else if (scrollTop < this.#last) this.#follows = false;
    this.#last = scrollTop;
    this.#jump.hidden = this.#follows || this.#distance() < NEAR_PX;
  }

  #distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }
}
