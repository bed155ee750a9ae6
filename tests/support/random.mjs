/** Random choices from a seed, so that a generated test can be repeated. */

/** @param {number} seed */
export function randomOf(seed) {
  let state = seed >>> 0;

  /** A number uniform in 0–1: mulberry32. */
  function number() {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  const below = (limit) => Math.floor(number() * limit);
  const pick = (list) => list[below(list.length)];
  const chance = (share) => number() < share;
  const text = (alphabet, longest) =>
    Array.from({ length: below(longest + 1) }, () => pick(alphabet)).join("");
  return { below, pick, chance, text };
}
