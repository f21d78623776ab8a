/**
 * An experiment as it was: trials and results at a time of the event log, in the shape of `Trials`, so that the ladder
 * draws the past as it draws the present.
 */
import { STATE } from "./columns.js";
import { KIND } from "./eventlog.js";

/** @typedef {import("./eventlog.js").EventLog} EventLog */

/** Why a trial that is handed out is above the rung of the event. */
const UP = new Set(["PROMOTED", "CLONED", "GOING_ON", "BLIND"]);

/** Trials of a moment. A row is a trial's number. */
export class Replay {
  at = 0;
  now = 0;
  count = 0;
  /** How many trials have begun. */
  began = 0;
  /** @type {number[]} */ trial = [];
  /** @type {number[]} */ state = [];
  /** @type {number[]} */ bracket = [];
  /** @type {number[]} */ rung = [];
  /** @type {number[]} */ length = [];
  /** @type {number[]} */ metric = [];
  /** @type {number[]} */ parent = [];
  /** @type {number[]} when its lease was given, or its last rung reached */ since = [];
  /** @type {{bracket: number[], rung: number[], trial: number[], metric: number[], count: number}} */
  results = { bracket: [], rung: [], trial: [], metric: [], count: 0 };
  /** @type {number[]} the last event of each trial */ _last = [];
  /** @type {number[]} the highest rung in which each trial has a result */ _done = [];
  /** @type {Set<number>} trials that go to a rung unjudged by those below it */ _blind = new Set();
  /** @type {Int32Array} the event of the same trial after each event; -1 = none yet */ _next = new Int32Array(0);
  _nextCount = 0;

  /** @param {EventLog} log */
  constructor(log) {
    this.log = log;
  }

  /** Back to before the first event. */
  clear() {
    this.at = this.now = this.count = this.began = 0;
    this._blind.clear();
    for (const each of [this.trial, this.state, this.bracket, this.rung, this.length, this.metric, this.parent, this.since]) each.length = 0;
    this.results = { bracket: [], rung: [], trial: [], metric: [], count: 0 };
  }

  /** @param {number} trial */
  rowOf(trial) {
    return this.state[trial] ? trial : -1;
  }

  /** Be at a time (milliseconds since 1970). @param {number} time */
  seek(time) {
    const until = this.log.until(time);
    if (until < this.at) this.clear();
    while (this.at < until) this._apply(this.at++);
    this.now = time;
  }

  /** How far a running trial is between two rungs, 0 to 1, if it is as fast all the way. @param {number} row */
  progress(row) {
    const next = this._nextTime(row);
    return next > this.since[row] ? Math.min(1, (this.now - this.since[row]) / (next - this.since[row])) : 0;
  }

  /** When the next event of a trial comes; the end of the log where there is none. @param {number} trial */
  _nextTime(trial) {
    const { log } = this;
    if (this._nextCount !== log.count) {
      this._next = new Int32Array(log.count).fill(-1);
      /** @type {Map<number, number>} */
      const last = new Map();
      for (let at = log.count - 1; at >= 0; at--) {
        this._next[at] = last.get(log.trial[at]) ?? -1;
        last.set(log.trial[at], at);
      }
      this._nextCount = log.count;
    }
    const next = this._next[this._last[trial]];
    return log.time[next >= 0 ? next : log.count - 1];
  }

  /** @param {number} at */
  _apply(at) {
    const { log } = this, kind = log.kind[at], trial = log.trial[at], rung = log.rung[at];
    if (kind === KIND.other || trial < 0) return;
    if (!this.state[trial]) this._begin(trial, at);
    this._last[trial] = at;
    this.length[trial] = log.length[at];
    this.metric[trial] = log.metric[at];
    if (kind === KIND.assign) this._assign(trial, at);
    else if (kind === KIND.release || kind === KIND.retry) this.state[trial] = STATE.QUEUED;
    else if (kind === KIND.invalid) this.state[trial] = STATE.INVALID;
    else if (kind === KIND.failed) this._end(trial, rung, NaN, STATE.FAILED);
    else if (kind === KIND.pause) this._end(trial, rung, log.metric[at], STATE.PAUSED);
    else if (kind === KIND.continue) {
      this._results(trial, rung, log.metric[at]);
      this.rung[trial] = rung + 1;
      this.since[trial] = log.time[at];
    } else {
      const stopped = /STOPPED|SEARCH_DONE/.test(log.reasons[at]);
      this._end(trial, rung, log.metric[at], stopped ? STATE.STOPPED : STATE.COMPLETED);
    }
  }

  /** @param {number} trial @param {number} at */
  _begin(trial, at) {
    this.count = Math.max(this.count, trial + 1);
    this.trial[trial] = trial;
    this.bracket[trial] = this.log.bracket[at];
    this.rung[trial] = 0;
    this.parent[trial] = -1;
    this._done[trial] = -1;
    // A trial whose first lines are no longer kept has results below that are not known.
    if (this.log.kind[at] !== KIND.assign) this._done[trial] = this.log.rung[at] - 1;
    this.began++;
  }

  /** @param {number} trial @param {number} at */
  _assign(trial, at) {
    const { log } = this, reason = log.reasons[at];
    this.state[trial] = STATE.RUNNING;
    this.since[trial] = log.time[at];
    if (reason === "NEW_TRIAL" || reason === "ENQUEUED") { // it may enter above the lowest rung
      this.rung[trial] = Math.max(log.rung[at], 0);
      this._done[trial] = this.rung[trial] - 1;
    }
    if (!UP.has(reason)) return;
    this.rung[trial] = log.rung[at] + 1;
    if (reason === "CLONED") this._done[trial] = log.rung[at];
    else this._results(trial, log.rung[at], log.metric[at]);
    if (reason === "BLIND") this._blind.add(trial);
  }

  /** @param {number} trial @param {number} rung @param {number} metric @param {number} state */
  _end(trial, rung, metric, state) {
    if (rung >= 0) {
      this._results(trial, rung, metric);
      this.rung[trial] = Math.max(rung, this.rung[trial]);
    }
    this.state[trial] = state;
  }

  /** Results up to a rung: a report that reaches several rungs is one line. @param {number} trial @param {number} rung @param {number} metric */
  _results(trial, rung, metric) {
    const { results } = this;
    if (this._blind.delete(trial)) this._done[trial] = rung - 1;
    for (let each = this._done[trial] + 1; each <= rung; each++) {
      results.bracket.push(this.bracket[trial]);
      results.rung.push(each);
      results.trial.push(trial);
      results.metric.push(metric);
      results.count++;
    }
    this._done[trial] = Math.max(rung, this._done[trial]);
  }
}
