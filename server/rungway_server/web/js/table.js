/** The table of trials: which columns there are, and in which order the rows are. Pure: no drawing here. */

import { OUTCOMES, STATES } from "./columns.js";
import { moment, number, valueText } from "./format.js";

/** @typedef {import("./columns.js").Trials} Trials */
/**
 * A column: `text` is what is shown, `raw` what is exported, `key` what is sorted by (NaN and "" always last).
 * @typedef {{name: string, title: string, isNumber: boolean, text: (row: number) => string, raw: (row: number) => string | number | undefined, key: (row: number) => number | string}} Column
 */

/** @param {Trials} trials @param {string} metric @param {number[]} [front] rows @returns {Column[]} all columns, hyperparameters last */
export function columnsOf(trials, metric, front = []) {
  const plain = (/** @type {string} */ name, /** @type {string} */ title, /** @type {ArrayLike<number>} */ array, /** @type {(x: number) => string} */ text = number) => (
    { name, title, isNumber: true, text: (/** @type {number} */ row) => text(array[row]), raw: (/** @type {number} */ row) => array[row], key: (/** @type {number} */ row) => array[row] });
  const words = (/** @type {string} */ name, /** @type {string} */ title, /** @type {(row: number) => string} */ of) => ({ name, title, isNumber: false, text: of, raw: of, key: of });
  const measured = (/** @type {string} */ name, /** @type {string} */ title, /** @type {Float64Array} */ array, none = "NaN") => (
    { ...plain(name, title, array), text: (/** @type {number} */ row) => (Number.isNaN(array[row]) ? (trials.length[row] ? none : "–") : number(array[row])) });
  const known = (/** @type {string} */ name, /** @type {string} */ title, /** @type {Float64Array} */ array) => plain(name, title, array, (x) => (Number.isNaN(x) ? "–" : number(x)));
  const on = new Set(front);
  return [
    plain("trial", "Trial", trials.trial, String),
    words("state", "State", (row) => STATES[trials.state[row]]),
    plain("bracket", "Bracket", trials.bracket), plain("rung", "Rung", trials.rung), plain("length", "Length", trials.length),
    measured("metric", `Last ${metric}`, trials.metric), measured("best", `Best ${metric}`, trials.bestMetric, trials.objectives.size ? "–" : "NaN"),
    ...[...trials.objectives].filter(([name]) => name !== metric).map(([name, values]) => known(`objectives.${name}`, name, values)),
    ...(trials.objectives.size ? [known("violation", "Violation", trials.violation), words("front", "Front", (row) => (on.has(row) ? "first" : ""))] : []),
    plain("best_length", "Best at", trials.bestLength), plain("restarts", "Restarts", trials.restarts),
    words("worker", "Worker", (row) => trials.workers[trials.worker[row]] || ""),
    words("outcome", "Outcome", (row) => OUTCOMES[trials.outcome[row]] || ""),
    { ...plain("created", "Began", trials.createMs, (ms) => moment(ms, true)), raw: (row) => new Date(trials.createMs[row]).toISOString() },
    plain("parent", "Clone of", trials.parent, (parent) => (parent < 0 ? "" : String(parent))),
    ...trials.parameters.map((parameter) => ({
      name: `hparams.${parameter.name}`, title: parameter.name, isNumber: parameter.kind === "number",
      text: (/** @type {number} */ row) => valueText(trials.valueOf(parameter, row)),
      raw: (/** @type {number} */ row) => exported(trials.valueOf(parameter, row)),
      key: parameter.kind === "number" ? (/** @type {number} */ row) => parameter.numbers[row] : (/** @type {number} */ row) => (parameter.index[row] < 0 ? "" : valueText(parameter.values[parameter.index[row]])),
    })),
  ];
}

/** @param {any} value */
function exported(value) {
  if (value === undefined || typeof value === "number" || typeof value === "string") return value;
  return valueText(value);
}

export const USUAL = ["trial", "state", "bracket", "rung", "length", "metric", "best", "violation", "front", "restarts", "worker"];

/** The columns that are shown: those chosen, or the usual ones and the first hyperparameters. @param {Column[]} all @param {string[]} chosen @returns {Column[]} */
export function shownColumns(all, chosen) {
  if (chosen.length) return all.filter((each) => chosen.includes(each.name));
  const parameters = all.filter((each) => each.name.startsWith("hparams.")).slice(0, 8);
  return all.filter((each) => USUAL.includes(each.name) || each.name.startsWith("objectives.") || parameters.includes(each));
}

/** Rows in order: those of the mask, sorted; trials without a value last, whatever the direction. @param {Trials} trials @param {Uint8Array | null} mask @param {Column | undefined} by @param {boolean} down @returns {Int32Array} */
export function ordered(trials, mask, by, down) {
  const rows = [];
  for (let row = 0; row < trials.count; row++) if (!mask || mask[row]) rows.push(row);
  const found = Int32Array.from(rows);
  if (!by) return found;
  const keys = Array.from({ length: trials.count });
  for (const row of found) keys[row] = by.key(row);
  const missing = (/** @type {any} */ key) => key === "" || Number.isNaN(key), sign = down ? -1 : 1;
  return found.sort((a, b) => {
    const x = /** @type {any} */ (keys[a]), y = /** @type {any} */ (keys[b]);
    if (missing(x) || missing(y)) return (missing(x) ? 1 : 0) - (missing(y) ? 1 : 0) || trials.trial[a] - trials.trial[b];
    return x < y ? -sign : x > y ? sign : trials.trial[a] - trials.trial[b];
  });
}
