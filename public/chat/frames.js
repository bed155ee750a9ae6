let last = Promise.resolve();

/**
 * Resolves in an animation frame in which nobody else draws who asks here. A slow phone needs a whole frame for what one
 * of them draws: more text, a formula, or the colours of some lines.
 */
export function ownFrame() {
  last = last.then(() => new Promise(requestAnimationFrame));
  return last;
}
