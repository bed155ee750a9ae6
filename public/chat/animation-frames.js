let last = Promise.resolve();

/** Resolves in the next animation frame. */
export function nextFrame() {
  return new Promise(requestAnimationFrame);
}

/**
 * Resolves in an animation frame that no other caller of this function gets. On a slow phone, one piece of text, one
 * formula or some coloured lines fill a frame.
 */
export function ownFrame() {
  last = last.then(nextFrame);
  return last;
}
