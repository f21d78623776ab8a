/** Several objectives: which trials are on the front. Pure: no drawing here. */

import { STATE } from "./columns.js";

/** @typedef {{name: string, smaller: boolean}} Objective */

/** What a search ranks by, where that is not its metric alone. @param {any} experiment @returns {Objective[]} */
export function objectivesOf(experiment) {
  const searcher = experiment?.config?.searcher || {};
  if (searcher.metrics) return searcher.metrics.map((/** @type {any} */ each) => ({ name: each.name, smaller: each.goal !== "maximize" }));
  return searcher.outcome_constraints ? [{ name: searcher.metric, smaller: searcher.smaller_is_better !== false }] : [];
}

/**
 * Rows whose last result meets the constraints, and is dominated by none: of those at the top rung or, before there is
 * one, of those that were trained the furthest.
 * @param {import("./columns.js").Trials} trials @param {any} experiment @returns {number[]} by the first objective
 */
export function frontOf(trials, experiment) {
  const objectives = objectivesOf(experiment), columns = objectives.map((each) => trials.objectives.get(each.name)), { results } = trials;
  if (!columns.length || columns.some((each) => !each)) return [];
  const at = (/** @type {number} */ k, /** @type {number} */ row) => (objectives[k].smaller ? 1 : -1) * /** @type {any} */ (columns[k])[row];
  /** @type {Map<number, number>} */
  const reached = new Map();
  for (let i = 0; i < results.count; i++) {
    const length = Number(experiment.plan.brackets[results.bracket[i]].rungs[results.rung[i]].length);
    reached.set(results.trial[i], Math.max(length, reached.get(results.trial[i]) || 0));
  }
  const longest = Math.max(0, ...new Set(reached.values())), rows = [];
  for (const [trial, length] of reached) {
    const row = trials.rowOf(trial);
    if (length === longest && row >= 0 && trials.state[row] < STATE.FAILED && trials.violation[row] === 0 && columns.every((_, k) => Number.isFinite(at(k, row)))) rows.push(row);
  }
  const before = (/** @type {number} */ a, /** @type {number} */ b) => columns.reduce((sign, _, k) => sign || at(k, a) - at(k, b), 0) || trials.trial[a] - trials.trial[b];
  /** @type {number[]} */
  const front = [];
  for (const row of rows.sort(before)) { // only an earlier one may dominate it
    if (!front.some((other) => columns.every((_, k) => at(k, other) <= at(k, row)) && columns.some((_, k) => at(k, other) < at(k, row)))) front.push(row);
  }
  return front;
}
