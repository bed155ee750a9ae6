const touch = matchMedia("(hover: none) and (pointer: coarse)");

/** Whether the keyboard is most likely on the screen. Its Enter begins a new line; a button sends. */
export function isTouch() {
  return touch.matches;
}

/** Whether a key press means to send what is written. @param {KeyboardEvent} event */
export function sendsByEnter(event) {
  // With an input method, Enter accepts a word. Older WebKit shows that by the key code alone.
  if (event.isComposing || event.keyCode === 229) return false;
  if (event.key !== "Enter" || event.shiftKey) return false;
  return !isTouch() || event.ctrlKey || event.metaKey;
}
