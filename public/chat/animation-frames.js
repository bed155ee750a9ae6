/** A frame that took longer is followed by a rest. */
const SLOW_MS = 25;

/** A page that was out of sight has had no frame for as long. */
const LONGEST_REST_MS = 250;

let last = Promise.resolve();
let restUntil = 0;

/** Resolves in the next animation frame, which tells its time. @returns {Promise<number>} */
export function nextFrame() {
  return new Promise(requestAnimationFrame);
}

/**
 * Resolves in an animation frame that no other caller of this function gets. On a slow phone, one piece of text, one
 * formula or some coloured lines fill a frame. As long as that took, nothing is drawn then: scrolling and typing come
 * first, and what has come meanwhile is drawn at once. With a long answer at a fourth of the speed, that halves the
 * frames beyond 35 ms, and the slowest hundredth takes 67 to 83 ms where it took 100 (tests/browser/frames.test.mjs).
 */
export function ownFrame() {
  last = last.then(async () => {
    let now = await nextFrame();
    while (now < restUntil) now = await nextFrame();
    requestAnimationFrame((next) => {
      const took = next - now;
      if (took > SLOW_MS) restUntil = next + Math.min(took, LONGEST_REST_MS);
    });
  });
  return last;
}
