/** The best so far: over trials, over the time they began, over the length spent. Pure: no drawing here. */

import { lengthText } from "./format.js";

/** @typedef {import("./columns.js").Trials} Trials */
/** @typedef {"trials" | "time" | "length"} Axis */

const INVALID = 7;

/** Rows of valid trials in the order in which they began. @param {Trials} trials */
export function inOrder(trials) {
  const rows = [];
  for (let row = 0; row < trials.count; row++) if (trials.state[row] !== INVALID) rows.push(row);
  return rows.sort((a, b) => trials.trial[a] - trials.trial[b]);
}

/**
 * The steps at which the best gets better, and the end: [x, best, trial].
 *
 * x of a trial: how many began up to it; when it began (ms); the length that all up to it were trained.
 * @param {Trials} trials @param {number[]} rows @param {boolean} smaller whether smaller is better @param {Axis} axis
 * @returns {[number, number, number][]}
 */
export function bestSoFar(trials, rows, smaller, axis) {
  let best = NaN, spent = 0, of = -1, x = 0;
  /** @type {[number, number, number][]} */
  const steps = [];
  rows.forEach((row, i) => {
    spent += trials.length[row];
    x = axis === "trials" ? i + 1 : axis === "time" ? trials.createMs[row] : spent;
    const metric = trials.bestMetric[row];
    if (Number.isNaN(metric) || !(Number.isNaN(best) || (smaller ? metric < best : metric > best))) return;
    best = metric;
    of = trials.trial[row];
    steps.push([x, best, of]);
  });
  if (steps.length && x > steps[steps.length - 1][0]) steps.push([x, best, of]);
  return steps;
}

/**
 * What a random search is at least as good as, over the length spent: the same trials in the same order, each trained to
 * `maxLength`, with the best that each is known to reach.
 * @param {Trials} trials @param {number[]} rows @param {boolean} smaller @param {number} maxLength
 * @returns {[number, number, number][]}
 */
export function randomSoFar(trials, rows, smaller, maxLength) {
  const spent = rows.reduce((sum, row) => sum + trials.length[row], 0);
  const steps = bestSoFar(trials, rows.slice(0, Math.floor(spent / maxLength)), smaller, "trials");
  return steps.map(([i, best, trial]) => [i * maxLength, best, trial]);
}

/** Who waits for what, in sentences. @param {any} experiment @returns {string[]} */
export function waits(experiment) {
  const { plan, trials: counts, state } = experiment, found = [];
  if (state === "EXPERIMENT_STATE_PAUSED") found.push("The search is paused: nothing is handed out.");
  if (counts.queued) found.push(`${counts.queued} ${counts.queued === 1 ? "trial waits" : "trials wait"} for a worker: released, failed, or with a lease that expired.`);
  if (plan.maxConcurrentTrials && counts.running >= plan.maxConcurrentTrials) found.push(`All ${plan.maxConcurrentTrials} leases that are allowed at once are held: further workers wait.`);
  plan.brackets.forEach((/** @type {any} */ bracket, /** @type {number} */ b) => bracket.rungs.slice(0, -1).forEach((/** @type {any} */ rung, /** @type {number} */ r) => {
    const waiting = rung.results - rung.passed;
    if (waiting <= 0) return;
    found.push(`${waiting} ${waiting === 1 ? "result waits" : "results wait"} at ${lengthText(rung.length, plan.unit)}${plan.brackets.length > 1 ? ` of bracket ${b}` : ""}: ${next(plan, rung)}`);
  }));
  return found;
}

/** What lets the next one of a rung go on. @param {any} plan @param {any} rung */
function next(plan, rung) {
  if (plan.rule === "PROMOTION_RULE_ASYNC") {
    const slots = Math.floor(rung.results / plan.divisor), missing = Math.ceil((rung.passed + 1) * plan.divisor) - rung.results;
    if (slots > rung.passed) return `${slots - rung.passed} may go on now.`;
    return `the next goes on after ${missing} more ${missing === 1 ? "result" : "results"}.`;
  }
  if (rung.results < rung.size) return `decided when ${rung.size - rung.results} more ${rung.size - rung.results === 1 ? "result is" : "results are"} there (${rung.passes} of ${rung.size} go on).`;
  return `${rung.passes} of ${rung.size} go on.`;
}
