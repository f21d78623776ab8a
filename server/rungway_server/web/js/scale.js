/**
 * Scales of all pictures: where a value is drawn. One value that is far out must not squeeze the rest, a logarithm needs
 * positive values, and equal values still need a width.
 */
import { number } from "./format.js";

/**
 * @typedef {object} Domain
 * @property {number} lo the least value shown
 * @property {number} hi the greatest value shown
 * @property {number} below how many values are smaller than `lo`
 * @property {number} above how many values are greater than `hi`
 * @property {number} count how many values are numbers
 * @property {number} min
 * @property {number} max
 * @property {number} positive the least value above 0; NaN where there is none
 *
 * @typedef {object} Scale
 * @property {number} lo
 * @property {number} hi
 * @property {boolean} log
 * @property {boolean} flip
 * @property {(value: number) => number} at 0 to 1, values beyond the edges on them; NaN for NaN
 * @property {(place: number) => number} value the value at a place from 0 to 1
 */

const FAR = 10;

/** @param {Float64Array} sorted @param {number} share */
function quantile(sorted, share) {
  const place = share * (sorted.length - 1), low = Math.floor(place), high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] * (1 - place + low) + sorted[high] * (place - low);
}

/** The spread against which a value counts as far out. @param {Float64Array} sorted */
function spread(sorted) {
  for (const share of [0.25, 0.1]) {
    const width = quantile(sorted, 1 - share) - quantile(sorted, share);
    if (width > 0) return width;
  }
  return Math.abs(quantile(sorted, 0.5)) || 1;
}

/**
 * The range that shows the values. With `clip`, values more than ten times the spread of the middle half away are left
 * out, and on that side the outermost percent as well.
 * @param {ArrayLike<number>} values
 * @param {boolean} [clip]
 * @returns {Domain}
 */
export function domainOf(values, clip = true) {
  const kept = new Float64Array(values.length);
  let count = 0, positive = Infinity, infiniteBelow = 0, infiniteAbove = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === Infinity) infiniteAbove++;
    else if (value === -Infinity) infiniteBelow++;
    else if (value === value) {
      kept[count++] = value;
      if (value > 0 && value < positive) positive = value;
    }
  }
  if (positive === Infinity) positive = NaN;
  const all = count + infiniteBelow + infiniteAbove;
  if (!count) return { lo: 0, hi: 1, below: infiniteBelow, above: infiniteAbove, count: all, min: NaN, max: NaN, positive };
  const sorted = kept.subarray(0, count).sort(), min = sorted[0], max = sorted[count - 1];
  let lo = min, hi = max;
  if (clip) {
    const far = FAR * spread(sorted), low = quantile(sorted, 0.25) - far, high = quantile(sorted, 0.75) + far;
    // Only on the side where a value is far out: the best results are at an edge, too.
    if (min < low) lo = Math.max(sorted[firstAtLeast(sorted, low)], count >= 100 ? quantile(sorted, 0.01) : -Infinity);
    if (max > high) hi = Math.min(sorted[firstAbove(sorted, high) - 1], count >= 100 ? quantile(sorted, 0.99) : Infinity);
  }
  const below = firstAtLeast(sorted, lo) + infiniteBelow;
  const above = count - firstAbove(sorted, hi) + infiniteAbove;
  return { lo, hi, below, above, count: all, min, max, positive };
}

/** How many of the sorted values are smaller. @param {Float64Array} sorted @param {number} value */
export function firstAtLeast(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many of the sorted values are not greater. @param {Float64Array} sorted @param {number} value */
export function firstAbove(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether the values can be shown on a logarithmic scale. @param {Domain} domain */
export function allowsLog(domain) {
  return domain.hi > 0 && domain.positive > 0;
}

/**
 * @param {{lo: number, hi: number, positive?: number}} domain
 * @param {{log?: boolean, flip?: boolean}} [options] `log` is passed over where there is nothing positive
 * @returns {Scale}
 */
export function makeScale(domain, { log = false, flip = false } = {}) {
  let { lo, hi } = domain;
  const positive = domain.positive ?? lo;
  log = log && hi > 0 && positive > 0;
  if (log && !(lo > 0)) lo = Math.min(positive, hi);
  if (!(hi > lo)) {
    const around = log ? Math.LN2 : Math.abs(lo) * 0.1 || 0.5;
    [lo, hi] = log ? [lo / 2, lo * 2] : [lo - around, lo + around];
    [lo, hi] = [Math.max(lo, -Number.MAX_VALUE), Math.min(hi, Number.MAX_VALUE)];
  }
  const from = log ? Math.log(lo) : lo, to = log ? Math.log(hi) : hi, width = to / 2 - from / 2;
  return {
    lo, hi, log, flip,
    at(value) {
      if (value !== value) return NaN;
      let place = log ? (value > 0 ? (Math.log(value) / 2 - from / 2) / width : 0) : (value / 2 - from / 2) / width;
      place = place < 0 ? 0 : place > 1 ? 1 : place;
      return flip ? 1 - place : place;
    },
    value(place) {
      const share = flip ? 1 - place : place, at = from * (1 - share) + to * share;
      return log ? Math.exp(at) : at;
    },
  };
}

/**
 * Round values to label a scale with.
 * @param {Scale} scale
 * @param {number} most
 * @returns {{value: number, label: string}[]}
 */
export function ticksOf(scale, most) {
  const values = scale.log ? logTicks(scale, most) : linearTicks(scale.lo, scale.hi, most);
  return values.map((value) => ({ value, label: number(value) }));
}

/** @param {number} lo @param {number} hi @param {number} most */
function linearTicks(lo, hi, most) {
  const raw = (hi / Math.max(1, most) - lo / Math.max(1, most)), power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((factor) => power * factor >= raw * 0.999) ?? 10);
  if (!(step > 0) || !Number.isFinite(step)) return [];
  const values = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + step * 1e-9 && values.length <= 3 * most; k++) {
    values.push(Number((k * step).toPrecision(12)));
  }
  return values;
}

/** @param {Scale} scale @param {number} most */
function logTicks(scale, most) {
  const first = Math.floor(Math.log10(scale.lo)), last = Math.ceil(Math.log10(scale.hi));
  for (const [digits, every] of [[[1, 2, 5], 1], [[1, 3], 1], [[1], 1], [[1], 2], [[1], 5], [[1], 10], [[1], 50]]) {
    const values = [];
    for (let power = first; power <= last; power++) {
      if (power % /** @type {number} */ (every)) continue;
      for (const digit of /** @type {number[]} */ (digits)) {
        const value = Number(`${digit}e${power}`);
        if (value >= scale.lo * 0.999 && value <= scale.hi * 1.001) values.push(value);
      }
    }
    if (values.length <= most) return values.length > 1 ? values : linearTicks(scale.lo, scale.hi, Math.min(most, 3));
  }
  return [];
}
