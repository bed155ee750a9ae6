const touch = matchMedia("(hover: none) and (pointer: coarse)");

/** Whether the keyboard is most likely on the screen. Its Enter begins a new line; a button sends. */
export function isTouch() {
  return touch.matches;
}

/** An Enter so soon after one elsewhere was meant for what had the focus before. */
const SLIP_MS = 400;

let isSlip = false;
let enteredIn;
let enteredAt = Number.NEGATIVE_INFINITY;
addEventListener(
  "keydown",
  ({ key, target, timeStamp }) => {
    if (key !== "Enter") return;
    isSlip = target !== enteredIn && timeStamp - enteredAt < SLIP_MS;
    if (!isSlip) enteredIn = target;
    enteredAt = timeStamp;
  },
  true,
);
addEventListener("input", () => (enteredAt = Number.NEGATIVE_INFINITY), true);

/** Has what is in a field sent by Enter. One that is held or comes twice sends once. @param {HTMLElement} field @param {() => void} send */
export function onEnter(field, send) {
  field.addEventListener("keydown", (event) => {
    if (!sendsByEnter(event)) return;
    event.preventDefault();
    if (!event.repeat && !isSlip) send();
  });
}

/** Whether a key press means to send what is written. @param {KeyboardEvent} event */
function sendsByEnter(event) {
  // With an input method, Enter accepts a word. Older WebKit shows that by the key code alone.
  if (event.isComposing || event.keyCode === 229) return false;
  if (event.key !== "Enter" || event.shiftKey) return false;
  return !isTouch() || event.ctrlKey || event.metaKey;
}
