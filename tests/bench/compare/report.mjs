/** Figures → the table, and whether the targets are met. */

/** How each workload's figures are shown. */
const ROWS = [
  ["paced", "paced: CPU per token", "µs", 1],
  ["burst", "burst: CPU per token", "µs", 2],
  ["short", "short: CPU per request", "µs", 0],
  ["first-token", "first token: median", "ms", 2],
  ["memory", "memory: for each of 2000 open streams", "KiB", 0],
  ["lost", "memory: streams lost of these", "", 0],
  ["cold", "cold: process start to first answer", "ms", 0],
];

/** The same for answers that are kept. */
const KEPT_ROWS = [
  ["kept", "paced: CPU per token", "µs", 1],
  ["kept-first-token", "first token: median", "ms", 2],
  ["kept-memory", "memory: for each of 2000 open streams", "KiB", 0],
  ["kept-lost", "memory: streams lost of these", "", 0],
  ["kept-cold", "cold: process start to first answer", "ms", 0],
];

/**
 * How large this worker's figure may be: beside a contestant's, or by itself.
 *
 * @type {[title: string, workload: string, limit: number, unit: string, figures: (byName: Record<string, number[]>) => number[] | undefined][]}
 */
const TARGETS = [
  ["paced, to idiomatic JS", "paced", 0.85, "×", ratioTo("idiomatic")],
  ["paced, to the identity pump", "paced", 1.15, "×", ratioTo("identity")],
  ["burst, to idiomatic JS", "burst", 0.45, "×", ratioTo("idiomatic")],
  ["short, to JS with the same features", "short", 1.05, "×", ratioTo("same-features")],
  ["short, to idiomatic JS", "short", 1.45, "×", ratioTo("idiomatic")],
  [
    "first token, added to passing through",
    "first-token",
    1,
    "ms",
    besides("passthrough", (own, other) => own - other),
  ],
  ["memory per stream, to idiomatic JS", "memory", 1, "×", ratioTo("idiomatic")],
  ["streams lost", "lost", 0, "", ({ worker }) => worker],
  ["kept: paced, to what is not kept", "kept", 1.5, "×", ratioTo("worker", "kept")],
  [
    "kept: first token, added to what is not kept",
    "kept-first-token",
    3,
    "ms",
    besides("worker", (own, other) => own - other, "kept"),
  ],
  ["kept: streams lost", "kept-lost", 0, "", ({ kept }) => kept],
  ["size, gzipped", "size", 225, "KB", ({ worker }) => worker],
];

/** @param {Record<string, Record<string, number[]>>} figures */
export function judge(figures) {
  return TARGETS.flatMap(([title, workload, limit, unit, figuresOf]) => {
    const all = figures[workload] && figuresOf(figures[workload]);
    if (!all) return [];
    const value = median(all);
    return [{ title, value, error: standardError(all), limit, unit, met: value <= limit }];
  });
}

/**
 * @param {{ name: string, title: string }[]} contestants
 * @param {string} prefix that of their figures
 */
export function printTable(figures, contestants, prefix) {
  const rows = (prefix ? KEPT_ROWS : ROWS)
    .filter(([workload]) => figures[workload])
    .map(([workload, title, unit, digits]) => [
      unit ? `${title}, ${unit}` : title,
      ...contestants.map(({ name }) => {
        const all = figures[workload][name];
        return all ? median(all).toFixed(digits) : "–";
      }),
    ]);
  const table = [["", ...contestants.map(({ title }) => title)], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  console.log(["", line(table[0]), rule, ...table.slice(1).map(line)].join("\n"));
}

export function printTargets(targets) {
  console.log();
  for (const { title, value, error, limit, unit, met } of targets) {
    const figure = `${value.toFixed(2)} ± ${error.toFixed(2)}`;
    const verdict = met ? "met" : "MISSED";
    console.log(`${title.padEnd(44)} ${figure.padEnd(14)} at most ${limit} ${unit}: ${verdict}`);
  }
}

function ratioTo(other, name = "worker") {
  return besides(other, (own, others) => own / others, name);
}

/** This worker's figures and another's, compared in pairs: what was measured at about one time had the same machine. */
function besides(other, compare, name = "worker") {
  return ({ [name]: own, [other]: others }) =>
    own && others?.map((figure, index) => compare(own[index], figure));
}

function mean(all) {
  return all.reduce((sum, each) => sum + each, 0) / all.length;
}

function median(all) {
  const sorted = all.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2;
}

/** Of a median, as far as the figures lie as chance would have it. */
function standardError(all) {
  const average = mean(all);
  const variance = mean(all.map((each) => (each - average) ** 2));
  return 1.25 * Math.sqrt(variance / Math.max(1, all.length - 1));
}
