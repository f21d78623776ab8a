/**
 * Parallel coordinates as numbers: which axes there are, where each trial crosses them, and in which order trials are
 * drawn. An order of colours comes from all trials that have begun: those that were stopped early show what is bad.
 */
import { STATE } from "./columns.js";
import { domainOf, makeScale, ticksOf } from "./scale.js";

/** The built-in columns of a filter; a hyperparameter of the same name is `hparams.NAME` there. */
const BUILT_IN = new Set(["trial", "state", "outcome", "bracket", "rung", "length", "metric", "best", "best_length", "restarts", "worker", "parent", "created"]);
const NOT_SET = -1;
export const MOST_AXES = 10, BANDS = 32;

/**
 * @typedef {object} Axis
 * @property {string} key its name in the brush
 * @property {string} title
 * @property {"number" | "category"} kind
 * @property {string[]} words of a category
 * @property {any[]} values of a category, as the brush names them
 * @property {import("./scale.js").Scale} scale of numbers
 * @property {import("./scale.js").Domain} domain of numbers
 * @property {boolean} log
 * @property {boolean} flip
 * @property {boolean} canLog
 * @property {Float32Array} places of each row: 0 = at the bottom, 1 = at the top; -1 = not set
 * @property {boolean} gaps whether some trial does not have it
 * @property {boolean} whole whether all its numbers are whole
 */

/** The name of a hyperparameter in filters and brushes. @param {string} name */
export function keyOf(name) { return BUILT_IN.has(name.toLowerCase()) ? `hparams.${name}` : name; }

/** The axes there could be, the most telling last. @param {any} trials @param {{metric: string}} goal @returns {{key: string, title: string}[]} */
export function possibleAxes(trials, goal) {
  return [...trials.parameters.map((/** @type {any} */ each) => ({ key: keyOf(each.name), title: each.name })),
    { key: "length", title: "length" }, { key: "best", title: `best ${goal.metric}` }];
}

/** The axes that are shown: those of the URL, or the first hyperparameters with length and result. @param {any} trials @param {{metric: string}} goal @param {string[]} wanted @param {number} most */
export function shownAxes(trials, goal, wanted, most = MOST_AXES) {
  const possible = possibleAxes(trials, goal), found = wanted.map((key) => possible.find((each) => each.key === key)).filter(Boolean);
  if (found.length) return /** @type {{key: string, title: string}[]} */ (found);
  return [...possible.slice(0, -2).slice(0, Math.max(1, most - 2)), ...possible.slice(-2)];
}

/**
 * Only results are clipped: the range of a hyperparameter is what its user wanted.
 * @param {any} trials @param {{key: string, title: string}} which
 * @param {{log?: boolean, flip?: boolean, domain?: import("./scale.js").Domain | null}} options
 *   `domain`: to keep, while something is brushed
 * @returns {Axis}
 */
export function makeAxis(trials, { key, title }, { log, flip = false, domain = null }) {
  const parameter = trials.parameters.find((/** @type {any} */ each) => keyOf(each.name) === key), { count } = trials;
  if (parameter?.kind === "category") return categoryAxis(key, title, parameter, count, flip);
  const numbers = (parameter ? parameter.numbers : key === "length" ? trials.length : trials.bestMetric).subarray(0, count);
  const shown = domain ?? domainOf(numbers, key === "best"), canLog = shown.hi > 0 && shown.positive > 0;
  const wantsLog = log ?? parameter?.log ?? key === "length", scale = makeScale(shown, { log: wantsLog, flip });
  const places = new Float32Array(count);
  let gaps = false, whole = true;
  for (let row = 0; row < count; row++) {
    const place = scale.at(numbers[row]);
    places[row] = place === place ? place : NOT_SET;
    if (place !== place) gaps = true;
    else if (numbers[row] % 1) whole = false;
  }
  return { key, title, kind: "number", words: [], values: [], scale, domain: shown, log: scale.log, flip, canLog, places, gaps, whole };
}

/** @param {string} key @param {string} title @param {any} parameter @param {number} count @param {boolean} flip @returns {Axis} */
function categoryAxis(key, title, parameter, count, flip) {
  const many = parameter.values.length, places = new Float32Array(count);
  let gaps = false;
  for (let row = 0; row < count; row++) {
    const index = parameter.index[row];
    // Within its band each trial has a place of its own, so that a crowd is seen as one.
    const within = 0.2 + 0.6 * ((row * 0.618034) % 1), place = (index + within) / many;
    places[row] = index < 0 ? NOT_SET : flip ? 1 - place : place;
    if (index < 0) gaps = true;
  }
  const words = parameter.values.map((/** @type {any} */ value) => (typeof value === "string" ? value : JSON.stringify(value)));
  const domain = { lo: 0, hi: many, below: 0, above: 0, count, min: 0, max: many, positive: NaN };
  return { key, title, kind: "category", words, values: parameter.values, scale: makeScale(domain, { flip }), domain, log: false, flip, canLog: false, places, gaps, whole: false };
}

/** Where a value of a category is, as bottom and top. @param {Axis} axis @param {number} index */
export function bandOf(axis, index) {
  const many = Math.max(1, axis.words.length), low = index / many, high = (index + 1) / many;
  return axis.flip ? [1 - high, 1 - low] : [low, high];
}

/**
 * The rows in the order they are drawn, the worst first, and a colour band for each.
 * @param {any} trials @param {boolean} smaller
 * @param {"rank" | "metric"} by rank: those that trained longest are best, and among these the metric; metric: its size
 * @returns {{order: Int32Array, band: Uint8Array, without: number}} `without`: rows that have no result yet, first
 */
export function orderOf(trials, smaller, by) {
  const { count, length, bestMetric, metric, state } = trials, order = new Int32Array(count), worth = new Float64Array(count);
  let shown = 0, without = 0;
  for (let row = 0; row < count; row++) {
    if (state[row] === STATE.INVALID) continue;
    order[shown++] = row;
    const own = by === "metric" ? bestMetric[row] : metric[row], none = own !== own;
    worth[row] = none ? -Infinity : smaller ? -own : own;
    if (none) without++;
  }
  const kept = order.subarray(0, shown);
  kept.sort((one, other) => (by === "rank" ? length[one] - length[other] : 0) || compare(worth[one], worth[other]) || one - other);
  const band = new Uint8Array(count);
  for (let k = 0; k < shown; k++) band[kept[k]] = by === "rank" ? Math.min(BANDS - 1, Math.floor((k * BANDS) / shown)) : 0;
  if (by === "metric") bandsByMetric(kept, band, bestMetric, smaller);
  return { order: kept, band, without };
}

/** @param {number} one @param {number} other */
function compare(one, other) { return one < other ? -1 : one > other ? 1 : 0; }

/** @param {Int32Array} rows @param {Uint8Array} band @param {Float64Array} metric @param {boolean} smaller */
function bandsByMetric(rows, band, metric, smaller) {
  const scale = makeScale(domainOf(Float64Array.from(rows, (row) => metric[row]), true), { flip: smaller });
  for (const row of rows) band[row] = Math.floor(Math.min(BANDS - 1, (scale.at(metric[row]) || 0) * BANDS));
}

/** Labels of an axis of numbers. @param {Axis} axis @param {number} most */
export function marksOf(axis, most) {
  return ticksOf(axis.scale, most).filter(({ value }) => !axis.whole || value % 1 === 0);
}

/** The brush that a stretch of an axis means. @param {Axis} axis @param {number} low 0 = bottom @param {number} high */
export function rangeOf(axis, low, high) {
  if (axis.kind === "category") {
    const values = axis.values.filter((_, index) => {
      const [from, to] = bandOf(axis, index);
      return from < high && to > low;
    });
    return { values };
  }
  const ends = [low, high].map((place) => axis.scale.value(Math.min(1, Math.max(0, place)))).sort((one, other) => one - other);
  /** @type {{min?: number, max?: number}} */
  const range = {};
  const [bottom, top] = axis.flip ? [1 - high, 1 - low] : [low, high];
  // At the end of an axis stand those beyond it, too.
  if (bottom > 0) range.min = Number(ends[0].toPrecision(6));
  if (top < 1) range.max = Number(ends[1].toPrecision(6));
  return range.min === undefined && range.max === undefined ? null : range;
}

/** The stretches of an axis that a brush covers, as bottom and top. @param {Axis} axis @param {any} range @returns {number[][]} */
export function stretchesOf(axis, range) {
  if (!range) return [];
  if (range.values) {
    const wanted = range.values.map((/** @type {any} */ value) => JSON.stringify(value));
    return axis.values.map((value, index) => (wanted.includes(JSON.stringify(value)) ? bandOf(axis, index) : null)).filter(Boolean).map((each) => /** @type {number[]} */ (each));
  }
  const low = range.min === undefined ? (axis.flip ? 1 : 0) : axis.scale.at(range.min), high = range.max === undefined ? (axis.flip ? 0 : 1) : axis.scale.at(range.max);
  return [[Math.min(low, high), Math.max(low, high)]];
}
