/** How far a finger has to go for the sheet to close, as a part of its width. */
const FAR = 0.35;
/** A quick one need not go so far: pixels, and pixels a millisecond. */
const FLICK_PX = 60;
const FLICK_SPEED = 0.5;

/**
 * Lets a finger push a sheet out to the left, where it came from. Scrolling up and down stays the browser's, by
 * `touch-action` in the style sheet.
 *
 * @param {HTMLElement} sheet
 * @param {() => void} onClose
 */
export function closeBySwipe(sheet, onClose) {
  /** @type {{ id: number, x: number, time: number } | undefined} */
  let start;

  const distance = (event) => Math.min(0, event.clientX - start.x);
  const release = () => {
    start = undefined;
    sheet.style.translate = "";
    sheet.classList.remove("dragged");
  };
  sheet.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" || !event.isPrimary) return;
    start = { id: event.pointerId, x: event.clientX, time: event.timeStamp };
  });
  sheet.addEventListener("pointermove", (event) => {
    if (event.pointerId !== start?.id) return;
    sheet.classList.add("dragged");
    sheet.style.translate = `${distance(event)}px`;
  });
  sheet.addEventListener("pointerup", (event) => {
    if (event.pointerId !== start?.id) return;
    const pushed = -distance(event);
    const speed = pushed / (event.timeStamp - start.time);
    const isFlick = pushed > FLICK_PX && speed > FLICK_SPEED;
    release();
    if (isFlick || pushed > sheet.clientWidth * FAR) onClose();
  });
  sheet.addEventListener("pointercancel", (event) => {
    if (event.pointerId === start?.id) release();
  });
}
