/** Cells of two hyperparameters, with the median result of the trials in each. */
import { STATE } from "./columns.js";
import { number } from "./format.js";
import { bandOf, makeAxis, rangeOf } from "./parallel_model.js";
import { domainOf, makeScale } from "./scale.js";

const COLUMNS = 28, LINES = 16, MOST_CATEGORIES = 40;

/** @typedef {{rows: number[], results: number, median: number, best: number, xWords: string, yWords: string, xRange: any, yRange: any}} Cell */

/**
 * @param {any} trials @param {{key: string, title: string}} x @param {{key: string, title: string}} y
 * @param {{smaller: boolean, mask: Uint8Array | null, logs: Record<string, boolean>}} options
 */
export function heatModel(trials, x, y, { smaller, mask, logs }) {
  const xAxis = padded(trials, x, logs[x.key], COLUMNS), yAxis = padded(trials, y, logs[y.key], LINES);
  const columns = cellsOf(xAxis, trials, COLUMNS), lines = cellsOf(yAxis, trials, LINES);
  /** @type {Cell[]} */
  const cells = Array.from({ length: columns * lines }, (_, at) => ({
    rows: [], results: 0, median: NaN, best: NaN, ...named(xAxis, at % columns, columns, "x"), ...named(yAxis, Math.floor(at / columns), lines, "y"),
  }));
  let count = 0, missing = 0;
  const rows = [];
  for (let row = 0; row < trials.count; row++) {
    if (trials.state[row] === STATE.INVALID || (mask && !mask[row])) continue;
    const [across, up] = [xAxis.places[row], yAxis.places[row]];
    if (across < 0 || up < 0) { missing++; continue; }
    count++;
    rows.push(row);
    cells[Math.min(columns - 1, Math.floor(across * columns)) + columns * Math.min(lines - 1, Math.floor(up * lines))].rows.push(row);
  }
  let most = 0;
  for (const cell of cells) {
    summarise(cell, trials.bestMetric, smaller);
    most = Math.max(most, cell.rows.length);
  }
  const medians = domainOf(cells.map((cell) => cell.median), true), scale = makeScale(medians, { flip: smaller });
  const some = medians.count > 0, worst = some ? (smaller ? medians.hi : medians.lo) : NaN, best = some ? (smaller ? medians.lo : medians.hi) : NaN;
  const points = makeScale(domainOf(rows.map((row) => trials.bestMetric[row]), true), { flip: smaller });
  const beyond = xAxis.domain.below + xAxis.domain.above + yAxis.domain.below + yAxis.domain.above;
  return { x: xAxis, y: yAxis, columns, lines, cells, rows, metrics: trials.bestMetric, count, missing, beyond, most, scale, points, worst, best };
}

/** An axis; one of few whole numbers has a cell for each. @param {any} trials @param {{key: string, title: string}} which @param {boolean | undefined} log @param {number} usual */
function padded(trials, which, log, usual) {
  const axis = makeAxis(trials, which, { log }), { lo, hi } = axis.domain;
  if (!axis.whole || axis.log || hi - lo + 1 > usual) return axis;
  return makeAxis(trials, which, { log, domain: { ...axis.domain, lo: lo - 0.5, hi: hi + 0.5 } });
}

/** How many cells an axis has: one for each category or whole number where these are few. @param {import("./parallel_model.js").Axis} axis @param {any} trials @param {number} usual */
function cellsOf(axis, trials, usual) {
  if (axis.kind === "category") return Math.max(1, Math.min(MOST_CATEGORIES, axis.words.length));
  const { lo, hi } = axis.domain;
  if (axis.whole && !axis.log && lo % 1 && hi - lo <= usual) return hi - lo;
  return trials.count < 200 ? Math.ceil(usual / 2) : usual;
}

/** What a line of cells stands for. @param {import("./parallel_model.js").Axis} axis @param {number} at @param {number} many @param {"x" | "y"} letter */
function named(axis, at, many, letter) {
  const low = at / many, high = (at + 1) / many, range = rangeOf(axis, low + 1e-9, high - 1e-9);
  const ends = [axis.scale.value(low), axis.scale.value(high)].sort((one, other) => one - other);
  const exact = axis.words.findIndex((_, index) => Math.abs(bandOf(axis, index)[0] - low) < 1e-6);
  if (axis.whole && Math.abs(ends[1] - ends[0] - 1) < 1e-9 && axis.domain.lo % 1) {
    const value = Math.round((ends[0] + ends[1]) / 2);
    return /** @type {any} */ ({ [`${letter}Words`]: number(value), [`${letter}Range`]: { min: value, max: value } });
  }
  const words = axis.kind === "category" ? axis.words[exact] ?? "" : `${number(ends[0], 4)} to ${number(ends[1], 4)}`;
  return /** @type {any} */ ({ [`${letter}Words`]: words, [`${letter}Range`]: range ?? { min: ends[0] } });
}

/** @param {Cell} cell @param {Float64Array} metrics @param {boolean} smaller */
function summarise(cell, metrics, smaller) {
  const real = Float64Array.from(cell.rows.map((row) => metrics[row]).filter((metric) => metric === metric)).sort();
  cell.results = real.length;
  if (!real.length) return;
  cell.median = real[Math.floor((real.length - 1) / 2)];
  cell.best = smaller ? real[0] : real[real.length - 1];
}
