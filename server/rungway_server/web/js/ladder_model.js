/**
 * What the ladder shows: for each rung of each bracket its results with what became of them, its quota and cut-off, and
 * the trials that train between rungs.
 */
import { STATE } from "./columns.js";
import { goalOf } from "./format.js";
import { domainOf } from "./scale.js";

/** What became of a result. */
export const WENT = 1, WAITS = 2, STOPPED = 3, FAILED = 4, TOP = 5;
export const WORDS = ["", "went on", "waits", "stopped", "failed", "reached the top"];

/**
 * @typedef {object} RungModel
 * @property {number} bracket
 * @property {number} rung
 * @property {number} length
 * @property {boolean} top
 * @property {number} count
 * @property {Int32Array} trials
 * @property {Float64Array} metrics as told; NaN ranks last
 * @property {Uint8Array} fates
 * @property {number[]} fateCounts by fate
 * @property {number} quota how many may go on
 * @property {number} cutoff metric of the last of them; NaN where there is none
 * @property {number} best NaN where there is none
 * @property {number} planned how many results it will hold; 0 = not fixed
 * @property {number} clones
 *
 * @typedef {object} Runner
 * @property {number} trial
 * @property {number} bracket
 * @property {number} rung it trains towards
 * @property {number} place 0 = at the rung below (or the start), 1 = at its rung
 * @property {number} metric NaN before the first report
 * @property {boolean} queued whether it waits for a worker
 * @property {boolean} clone
 *
 * @typedef {object} BracketModel
 * @property {number} bracket
 * @property {number} started
 * @property {number} maxTrials
 * @property {RungModel[]} rungs lowest first
 * @property {Runner[]} runners
 *
 * @typedef {object} LadderModel
 * @property {BracketModel[]} brackets
 * @property {number[]} lengths of all rungs, each once, growing
 * @property {import("./scale.js").Domain} domain of all results
 * @property {boolean} smaller whether a smaller metric is better
 * @property {string} unit
 * @property {string} form
 * @property {number} results
 * @property {number} running
 * @property {number} bestTrial -1 where there is none
 * @property {number} bestMetric of the results
 */

/**
 * @param {any} experiment the message
 * @param {any} trials Trials, or a Replay
 * @param {boolean} clip whether values far out are left out of the scale
 * @returns {LadderModel}
 */
export function ladderModel(experiment, trials, clip = true) {
  const plan = experiment.plan, { smaller } = goalOf(experiment);
  const brackets = (plan.brackets ?? []).map((/** @type {any} */ bracket, /** @type {number} */ index) => emptyBracket(plan, bracket, index));
  if (trials.began !== undefined) countStarted(brackets, trials);
  fill(brackets, trials);
  let results = 0, bestTrial = -1, bestMetric = NaN;
  for (const bracket of brackets) {
    for (const rung of bracket.rungs) {
      finish(rung, plan, smaller);
      results += rung.count;
    }
  }
  addRunners(brackets, trials);
  const { metric, trial } = trials.results;
  for (let i = 0; i < trials.results.count; i++) {
    const better = smaller ? metric[i] < bestMetric : metric[i] > bestMetric;
    if ((better || bestMetric !== bestMetric) && metric[i] === metric[i] && isCounted(trials, trial[i])) {
      bestMetric = metric[i];
      bestTrial = trial[i];
    }
  }
  const lengths = [...new Set(brackets.flatMap((/** @type {BracketModel} */ bracket) => bracket.rungs.map((rung) => rung.length)))];
  return {
    brackets, lengths: lengths.sort((one, other) => one - other), domain: domainOf(subarray(metric, trials.results.count), clip),
    smaller, unit: plan.unit || "length", form: plan.form, results, bestTrial, bestMetric,
    running: brackets.reduce((/** @type {number} */ sum, /** @type {BracketModel} */ each) => sum + each.runners.filter((runner) => !runner.queued).length, 0),
  };
}

/** @param {ArrayLike<number> & {subarray?: Function, slice?: Function}} values @param {number} count */
function subarray(values, count) {
  return values.length === count ? values : values.subarray ? values.subarray(0, count) : values.slice?.(0, count);
}

/** @param {any} trials @param {number} trial */
function isCounted(trials, trial) {
  const row = trials.rowOf(trial);
  return row < 0 || trials.state[row] !== STATE.INVALID;
}

/** @param {any} plan @param {any} bracket @param {number} index @returns {BracketModel} */
function emptyBracket(plan, bracket, index) {
  const rungs = bracket.rungs.map((/** @type {any} */ rung, /** @type {number} */ k) => ({
    bracket: index, rung: k, length: rung.length, top: k + 1 === bracket.rungs.length, count: 0, planned: rung.size ?? 0,
    passes: rung.passes ?? 0, clones: rung.clones ?? 0,
  }));
  return { bracket: index, started: bracket.started ?? 0, maxTrials: bracket.maxTrials ?? 0, rungs, runners: [] };
}

/** How many trials had begun then. @param {BracketModel[]} brackets @param {import("./replay.js").Replay} replay */
function countStarted(brackets, replay) {
  for (const bracket of brackets) bracket.started = 0;
  for (const trial of replay.trial) {
    const bracket = brackets[replay.bracket[trial]];
    if (bracket && replay.state[trial] !== STATE.INVALID) bracket.started++;
  }
}

/** Puts each result into its rung. @param {BracketModel[]} brackets @param {any} trials */
function fill(brackets, trials) {
  const { bracket, rung, trial, metric, count } = trials.results;
  const kept = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const to = brackets[bracket[i]]?.rungs[rung[i]];
    if (to && isCounted(trials, trial[i])) {
      kept[i] = 1;
      to.count++;
    }
  }
  for (const each of brackets) {
    for (const to of each.rungs) {
      to.trials = new Int32Array(to.count);
      to.metrics = new Float64Array(to.count);
      to.fates = new Uint8Array(to.count);
      to.fateCounts = [0, 0, 0, 0, 0, 0];
      to.count = 0;
    }
  }
  for (let i = 0; i < count; i++) {
    if (!kept[i]) continue;
    const to = brackets[bracket[i]].rungs[rung[i]], at = to.count++;
    const fate = fateOf(trials, trials.rowOf(trial[i]), rung[i], to.top);
    to.trials[at] = trial[i];
    to.metrics[at] = metric[i];
    to.fates[at] = fate;
    to.fateCounts[fate]++;
  }
}

/** @param {any} trials @param {number} row @param {number} rung @param {boolean} top */
function fateOf(trials, row, rung, top) {
  if (row < 0) return WAITS;
  if (trials.rung[row] > rung) return WENT;
  const state = trials.state[row];
  if (state === STATE.FAILED) return FAILED;
  if (state === STATE.STOPPED) return STOPPED;
  return top ? TOP : WAITS;
}

/** Quota, cut-off and best. @param {any} rung @param {any} plan @param {boolean} smaller */
function finish(rung, plan, smaller) {
  const sorted = Float64Array.from(rung.metrics).sort(); // NaN last
  let real = sorted.length;
  while (real > 0 && sorted[real - 1] !== sorted[real - 1]) real--;
  const ranked = (/** @type {number} */ rank) => (rank < real ? sorted[smaller ? rank : real - 1 - rank] : NaN);
  rung.quota = rung.top ? 0 : quotaOf(plan, rung);
  rung.cutoff = rung.quota ? ranked(rung.quota - 1) : NaN;
  rung.best = ranked(0);
}

/** How many results of a rung may go on: the service's rule. @param {any} plan @param {any} rung */
export function quotaOf(plan, rung) {
  const { count, passes, planned } = rung;
  if (plan.form === "DECISION_FORM_STOP") return count ? Math.max(1, Math.floor(count / plan.divisor)) : 0;
  if (plan.rule === "PROMOTION_RULE_SYNC") return Math.max(0, count + passes - planned);
  if (plan.rule === "PROMOTION_RULE_POPULATION") return count === planned ? passes : 0;
  return Math.floor(count / plan.divisor);
}

/** @param {BracketModel[]} brackets @param {any} trials */
function addRunners(brackets, trials) {
  for (let row = 0; row < trials.count; row++) {
    const state = trials.state[row];
    if (state !== STATE.RUNNING && state !== STATE.QUEUED) continue;
    const bracket = brackets[trials.bracket[row]], rung = bracket?.rungs[trials.rung[row]];
    if (!rung) continue;
    const below = bracket.rungs[rung.rung - 1]?.length ?? 0;
    const place = trials.progress ? trials.progress(row) : (trials.length[row] - below) / (rung.length - below);
    bracket.runners.push({
      trial: trials.trial[row], bracket: bracket.bracket, rung: rung.rung, place: Math.min(1, Math.max(0, place || 0)),
      metric: trials.metric[row], queued: state === STATE.QUEUED, clone: trials.parent[row] >= 0,
    });
  }
}

/** The places of a rung's results, best first. @param {RungModel} rung @param {boolean} smaller */
export function rankedPlaces(rung, smaller) {
  const { metrics } = rung, places = Int32Array.from(metrics, (_, at) => at);
  const worth = (/** @type {number} */ at) => (metrics[at] !== metrics[at] ? Infinity : smaller ? metrics[at] : -metrics[at]);
  return places.sort((one, other) => worth(one) - worth(other) || one - other);
}

/** The rank of a metric in a rung, 0 = best. @param {RungModel} rung @param {number} metric @param {boolean} smaller */
export function rankIn(rung, metric, smaller) {
  let better = 0;
  for (const other of rung.metrics) {
    if (metric !== metric ? other === other : smaller ? other < metric : other > metric) better++;
  }
  return better;
}
