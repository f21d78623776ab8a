/**
 * Learning curves of all trials as a density, and which of them are drawn as lines.
 *
 * Of every trial its results at rungs are here already; between two of them the density has a straight line. Whole
 * curves are asked for only where they are drawn.
 */
import { STATE } from "./columns.js";
import { domainOf, makeScale } from "./scale.js";

const BEST = 10, MOST_RUNNING = 60;
export const ROLE = { selected: 0, best: 1, running: 2 };

/**
 * @typedef {{trial: number, row: number, role: number}} Chosen
 * @typedef {{trial: number, length: number[], metric: number[]}} Curve
 */

/** The trials whose curves are drawn. @param {any} trials @param {boolean} smaller @param {Iterable<number>} selected @param {Uint8Array | null} mask @returns {{chosen: Chosen[], running: number}} */
export function chosenOf(trials, smaller, selected, mask) {
  /** @type {Map<number, Chosen>} */
  const chosen = new Map();
  const add = (/** @type {number} */ row, /** @type {number} */ role) => {
    const trial = trials.trial[row];
    if (!chosen.has(trial)) chosen.set(trial, { trial, row, role });
  };
  for (const trial of selected) if (trials.rowOf(trial) >= 0) add(trials.rowOf(trial), ROLE.selected);
  const live = [];
  /** @type {number[]} */
  let best = [];
  const worth = (/** @type {number} */ row) => (smaller ? trials.bestMetric[row] : -trials.bestMetric[row]);
  for (let row = 0; row < trials.count; row++) {
    if (mask && !mask[row]) continue;
    const own = worth(row);
    if (trials.state[row] === STATE.RUNNING && own === own) live.push(row);
    if (own !== own || trials.state[row] === STATE.INVALID || (best.length === BEST && own >= worth(best[BEST - 1]))) continue;
    best.push(row);
    best.sort((one, other) => worth(one) - worth(other) || one - other);
    best = best.slice(0, BEST);
  }
  for (const row of best) add(row, ROLE.best);
  for (const row of live.sort((one, other) => worth(one) - worth(other)).slice(0, MOST_RUNNING)) add(row, ROLE.running);
  return { chosen: [...chosen.values()], running: live.length };
}

/** Lengths at which something is decided, each once, growing. @param {any} plan @returns {number[]} */
export function rungLengths(plan) {
  const lengths = plan.brackets.flatMap((/** @type {any} */ bracket) => bracket.rungs.map((/** @type {any} */ rung) => rung.length));
  return [...new Set(/** @type {number[]} */ (lengths))].sort((one, other) => one - other);
}

/** The range that shows everything. @param {any} trials @param {number[]} lengths @param {Iterable<Curve>} curves @param {boolean} clip */
export function wholeRange(trials, lengths, curves, clip) {
  const metrics = [...trials.results.metric.subarray(0, trials.results.count)];
  let from = lengths[0] ?? 1;
  for (const curve of curves) {
    metrics.push(...curve.metric);
    if (curve.length[0] > 0) from = Math.min(from, curve.length[0]);
  }
  if (!metrics.length) metrics.push(...trials.metric.subarray(0, trials.count));
  const y = domainOf(metrics, clip), to = Math.max(lengths.at(-1) ?? 1, from + 1);
  // A rung at the very edge would be half a column.
  return { x: { lo: Math.max(from * 0.85, 0.5), hi: to * 1.06, positive: Math.max(from * 0.85, 0.5) }, y };
}

/**
 * How many curves pass through each cell.
 * @param {any} trials @param {any} plan
 * @param {{xScale: import("./scale.js").Scale, yScale: import("./scale.js").Scale, columns: number, lines: number, mask: Uint8Array | null}} view
 * @returns {{counts: Float32Array, most: number, passed: number, outside: number}} `counts`: row by row from the top;
 *   `outside`: results that are not within the picture
 */
export function densityOf(trials, plan, { xScale, yScale, columns, lines, mask }) {
  const counts = new Float32Array(columns * lines), { results } = trials, last = new Int32Array(trials.count).fill(-1);
  let passed = 0, outside = 0;
  const lengthOf = (/** @type {number} */ i) => plan.brackets[results.bracket[i]]?.rungs[results.rung[i]]?.length ?? NaN;
  const segment = segments(counts, columns, lines, xScale, yScale);
  for (let i = 0; i < results.count; i++) {
    const row = trials.rowOf(results.trial[i]), length = lengthOf(i), metric = results.metric[i];
    if (row < 0 || trials.state[row] === STATE.INVALID || (mask && !mask[row]) || metric !== metric) continue;
    if (last[row] >= 0) segment(lengthOf(last[row]), results.metric[last[row]], length, metric);
    const inside = length >= xScale.lo && length <= xScale.hi && metric >= yScale.lo && metric <= yScale.hi;
    if (inside) dash(counts, columns, lines, xScale.at(length), yScale.at(metric));
    else outside++;
    last[row] = i;
    passed++;
  }
  let most = 1;
  for (const many of counts) if (many > most) most = many;
  return { counts, most, passed, outside };
}

/** A result at a rung, wide enough to be seen. @param {Float32Array} counts @param {number} columns @param {number} lines @param {number} across @param {number} up */
function dash(counts, columns, lines, across, up) {
  const x = Math.min(columns - 1, Math.floor(across * columns)), y = Math.min(lines - 1, Math.floor((1 - up) * lines));
  for (let k = Math.max(0, x - 2); k <= Math.min(columns - 1, x + 2); k++) counts[y * columns + k]++;
}

/** Adds straight lines, one cell in each column. @param {Float32Array} counts @param {number} columns @param {number} lines @param {import("./scale.js").Scale} xScale @param {import("./scale.js").Scale} yScale */
function segments(counts, columns, lines, xScale, yScale) {
  const raw = (/** @type {import("./scale.js").Scale} */ scale, /** @type {number} */ value) => {
    if (!scale.log) return (value - scale.lo) / (scale.hi - scale.lo);
    return (Math.log(Math.max(value, 1e-300)) - Math.log(scale.lo)) / (Math.log(scale.hi) - Math.log(scale.lo));
  };
  return (/** @type {number} */ x0, /** @type {number} */ y0, /** @type {number} */ x1, /** @type {number} */ y1) => {
    const from = raw(xScale, x0) * columns, to = raw(xScale, x1) * columns, low = raw(yScale, y0), high = raw(yScale, y1);
    if (!(to > from) || !Number.isFinite(low) || !Number.isFinite(high)) return;
    const first = Math.max(0, Math.ceil(from)), end = Math.min(columns - 1, Math.floor(to));
    for (let column = first; column <= end; column++) {
      const line = Math.floor((1 - (low + ((high - low) * (column - from)) / (to - from))) * lines);
      if (line >= 0 && line < lines) counts[line * columns + column]++;
    }
  };
}

/** Scales of a view. @param {ReturnType<typeof wholeRange>} whole @param {number[] | null} zoom x from, x to, y from, y to @param {boolean} logX @param {boolean} logY */
export function scalesOf(whole, zoom, logX, logY) {
  const x = zoom ? { lo: zoom[0], hi: zoom[1], positive: zoom[0] } : whole.x, y = zoom ? { lo: zoom[2], hi: zoom[3], positive: zoom[2] } : whole.y;
  return { xScale: makeScale(x, { log: logX }), yScale: makeScale(y, { log: logY }) };
}
