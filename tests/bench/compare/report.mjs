/** Figures → medians, the table, and whether the targets are met. */

/** How each workload's figures are shown. */
const ROWS = [
  ["paced", "paced: CPU per token", "µs", 1],
  ["burst", "burst: CPU per token", "µs", 2],
  ["short", "short: CPU per request", "µs", 0],
  ["first-token", "first token: median", "ms", 2],
  ["many", "many: memory per stream", "KiB", 1],
  ["lost", "many: streams lost", "of 2000", 0],
  ["cold", "cold: start to first answer", "ms", 0],
  ["instructions", "paced: instructions per token", "thousands", 0],
];

/**
 * A target: a figure of one run and how large it may be.
 *
 * @type {[title: string, limit: number, unit: string, figure: (figures: any) => number | undefined][]}
 */
const TARGETS = [
  ["paced, to idiomatic JS", 0.8, "×", ({ paced }) => ratio(paced, "idiomatic")],
  ["paced, to the identity pump", 1.1, "×", ({ paced }) => ratio(paced, "identity")],
  ["paced, to the Python stack", 0.3, "×", ({ paced }) => ratio(paced, "python")],
  ["burst, to idiomatic JS", 0.45, "×", ({ burst }) => ratio(burst, "idiomatic")],
  ["burst, to hand-tuned JS", 0.6, "×", ({ burst }) => ratio(burst, "hand-tuned")],
  ["short, to idiomatic JS", 1.25, "×", ({ short }) => ratio(short, "idiomatic")],
  ["first token, added, median", 1, "ms", (figures) => added(figures, 0.5)],
  ["first token, added, p99", 5, "ms", (figures) => added(figures, 0.99)],
  ["many, streams lost", 0, "of 2000", ({ lost }) => lost?.worker && Math.max(...lost.worker)],
  ["many, memory to idiomatic JS", 1, "×", ({ many }) => ratio(many, "idiomatic")],
  ["size, gzipped", 150, "KB", ({ size }) => quantile(size.worker, 0.5)],
  [
    "cold, wasm instantiated",
    10,
    "ms",
    ({ instantiation }) => instantiation && quantile(instantiation.worker, 0.5),
  ],
];

/** @param {Record<string, Record<string, number[]>>} figures */
export function judge(figures) {
  return TARGETS.flatMap(([title, limit, unit, figure]) => {
    const value = figure(figures);
    return value === undefined || Number.isNaN(value)
      ? []
      : [{ title, value, limit, unit, met: value <= limit }];
  });
}

/** @param {Record<string, string>} titles of the contestants, by name */
export function printTable(figures, titles) {
  const names = Object.keys(titles);
  const rows = ROWS.filter(([workload]) => figures[workload]).map(
    ([workload, title, unit, digits]) => [
      `${title}, ${unit}`,
      ...names.map((name) => spread(figures[workload][name], digits)),
    ],
  );
  const table = [["median (lowest–highest)", ...Object.values(titles)], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  console.log(["", line(table[0]), rule, ...table.slice(1).map(line)].join("\n"));
}

export function printTargets(targets) {
  console.log();
  for (const { title, value, limit, unit, met } of targets) {
    const figure = `${value.toFixed(2)} ${unit}`.padStart(11);
    console.log(
      `${title.padEnd(30)} ${figure}   at most ${limit} ${unit}: ${met ? "met" : "MISSED"}`,
    );
  }
}

/** The figure below which this share of all lie. */
function quantile(all, share) {
  const sorted = all.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/**
 * The worker's figure by another's, round by round, and of these the median: a machine that is shared changes its
 * speed from one minute to the next, and by as much as what is compared.
 */
function ratio(byName, other) {
  if (!byName?.[other] || !byName.worker) return undefined;
  const rounds = Math.min(byName.worker.length, byName[other].length);
  const each = byName.worker.slice(0, rounds).map((figure, round) => figure / byName[other][round]);
  return quantile(each, 0.5);
}

/** What the worker adds to upstream passed through, at the same place of both distributions. */
function added({ "first-token": byName }, share) {
  if (!byName?.passthrough || !byName.worker) return undefined;
  return quantile(byName.worker, share) - quantile(byName.passthrough, share);
}

function spread(all, digits) {
  if (!all?.length) return "–";
  const [median, lowest, highest] = [0.5, 0, 1].map((share) =>
    quantile(all, share).toFixed(digits),
  );
  return `${median} (${lowest}–${highest})`;
}
