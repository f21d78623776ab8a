/**
 * Where the ladder's parts are: a column for each bracket, a row for each length, the longest on top. Drawing and
 * pointing ask the same functions.
 */
import { makeScale } from "./scale.js";

/** @typedef {import("./ladder_model.js").LadderModel} LadderModel */
/** @typedef {import("./ladder_model.js").RungModel} RungModel */
/** @typedef {import("./ladder_model.js").Runner} Runner */

export const GUTTER = 70, HEAD = 36, FOOT = 28, START = 30;
const NARROWEST = 168, PAD = 10, NO_METRIC = 16;

/**
 * @typedef {object} Layout
 * @property {number} columnWidth
 * @property {number} totalWidth of all columns and the gutter; may be more than is seen
 * @property {number} rowHeight
 * @property {number} height
 * @property {number} stripHeight
 * @property {boolean} words whether there is room for the counts above each strip
 * @property {number} scroll
 * @property {boolean} zoomed
 * @property {import("./scale.js").Scale} scale
 * @property {Map<number, number>} rows of lengths, from the top
 */

/** @param {number} rows */
export function heightOf(rows) {
  return HEAD + Math.max(1, rows) * rowHeightOf(rows) + START + FOOT;
}

/** @param {number} rows */
function rowHeightOf(rows) {
  return Math.max(24, Math.min(88, Math.floor(480 / Math.max(1, rows))));
}

/**
 * @param {LadderModel} model
 * @param {number} width
 * @param {{scroll?: number, log?: boolean, zoom?: number[] | null}} [view]
 * @returns {Layout}
 */
export function layoutOf(model, width, { scroll = 0, log = false, zoom = null } = {}) {
  const columns = Math.max(1, model.brackets.length), rows = model.lengths.length, rowHeight = rowHeightOf(rows);
  const columnWidth = Math.max(NARROWEST, Math.floor((width - GUTTER) / columns));
  const domain = zoom ? { lo: zoom[0], hi: zoom[1], positive: zoom[0] } : model.domain;
  const totalWidth = GUTTER + columns * columnWidth;
  return {
    columnWidth, totalWidth, rowHeight, height: heightOf(rows), words: rowHeight >= 40,
    stripHeight: Math.max(12, Math.min(27, Math.floor(rowHeight * 0.38))), zoomed: Boolean(zoom),
    scroll: Math.max(0, Math.min(scroll, totalWidth - width)), scale: makeScale(domain, { log, flip: !model.smaller }),
    rows: new Map(model.lengths.map((length, k) => [length, rows - 1 - k])),
  };
}

/** Left and right edge of a bracket's strips. @param {Layout} layout @param {number} bracket */
export function columnOf(layout, bracket) {
  const left = GUTTER + bracket * layout.columnWidth - layout.scroll;
  return { left: left + PAD, right: left + layout.columnWidth - PAD - NO_METRIC };
}

/** The brackets that are seen. @param {Layout} layout @param {LadderModel} model @param {number} width */
export function seenBrackets(layout, model, width) {
  const first = Math.max(0, Math.floor(layout.scroll / layout.columnWidth));
  const last = Math.min(model.brackets.length, Math.ceil((layout.scroll + width - GUTTER) / layout.columnWidth));
  return model.brackets.slice(first, last);
}

/** Top of a rung's strip. @param {Layout} layout @param {number} length */
export function stripTop(layout, length) {
  return HEAD + (layout.rows.get(length) ?? 0) * layout.rowHeight + (layout.words ? 16 : 2);
}

/** Where a metric is drawn, in the lane at the end if it is none; NaN if it is not shown. @param {Layout} layout @param {number} bracket @param {number} metric */
export function xOf(layout, bracket, metric) {
  const { left, right } = columnOf(layout, bracket);
  if (metric !== metric) return right + NO_METRIC - 6;
  if (layout.zoomed && (metric < layout.scale.lo || metric > layout.scale.hi)) return NaN;
  return left + layout.scale.at(metric) * (right - left);
}

/** Where a running trial is drawn. @param {Layout} layout @param {LadderModel} model @param {Runner} runner */
export function runnerPlace(layout, model, runner) {
  const rungs = model.brackets[runner.bracket].rungs;
  const to = stripTop(layout, rungs[runner.rung].length) + layout.stripHeight + 5;
  const below = rungs[runner.rung - 1];
  const from = below ? stripTop(layout, below.length) - (layout.words ? 19 : 5) : stripTop(layout, rungs[0].length) + layout.rowHeight + 4;
  // Those without a metric stand side by side, so that none hides another.
  const { left, right } = columnOf(layout, runner.bracket);
  let x = xOf(layout, runner.bracket, runner.metric);
  if (runner.metric !== runner.metric) x = left + (((runner.trial * 0.618034) % 1) * (right - left));
  return { x, y: from + (to - from) * runner.place };
}

/**
 * What is at a place: a result or a running trial.
 * @param {Layout} layout @param {LadderModel} model @param {number} x @param {number} y
 * @returns {{trial: number, bracket: number, rung: number, at: number} | null} `at`: place in the rung; -1 = running
 */
export function hit(layout, model, x, y) {
  const index = Math.floor((x - GUTTER + layout.scroll) / layout.columnWidth), bracket = model.brackets[index];
  if (x < GUTTER || !bracket) return null;
  let found = null, least = 9;
  for (const runner of bracket.runners) {
    const place = runnerPlace(layout, model, runner), away = Math.hypot(place.x - x, place.y - y);
    if (away < least) [found, least] = [{ trial: runner.trial, bracket: index, rung: runner.rung, at: -1 }, away];
  }
  if (found) return found;
  least = 14;
  for (const rung of bracket.rungs) {
    const top = stripTop(layout, rung.length);
    if (y < top - 3 || y > top + layout.stripHeight + 3) continue;
    for (let at = 0; at < rung.count; at++) {
      const away = Math.abs(xOf(layout, index, rung.metrics[at]) - x);
      if (away < least) [found, least] = [{ trial: rung.trials[at], bracket: index, rung: rung.rung, at }, away];
    }
  }
  return found;
}

/** Where a trial's results stand, from its lowest rung up. @param {Layout} layout @param {LadderModel} model @param {number} trial */
export function pathOf(layout, model, trial) {
  const places = [];
  for (const bracket of model.brackets) {
    for (const rung of bracket.rungs) {
      const at = rung.trials.indexOf(trial);
      if (at < 0) continue;
      const x = xOf(layout, bracket.bracket, rung.metrics[at]);
      if (x === x) places.push({ x, y: stripTop(layout, rung.length) + layout.stripHeight / 2 });
    }
    const runner = bracket.runners.find((each) => each.trial === trial);
    if (runner) places.push(runnerPlace(layout, model, runner));
    if (places.length) return places;
  }
  return places;
}
