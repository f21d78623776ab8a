/**
 * Which worker held which trial when: bars of leases made from the event log. A bar ends where a decision was made; one
 * lease that goes on past a rung is several bars.
 *
 * Several workers may share a name, as the threads and tasks of one process do, and one may hold several trials. So a
 * name has as many rows as it ever held trials at once, and the bars of a row never overlap.
 */
import { KIND } from "./eventlog.js";

/** How a bar ended. */
export const OPEN = 0, ON = 1, PAUSED = 2, ENDED = 3, RELEASED = 4, LOST = 5, FAILED = 6;
export const ENDINGS = ["still running", "promoted, goes on", "paused at its rung", "ended", "released", "lost: its lease expired, or it failed and is tried again", "failed for good"];

/** @typedef {import("./eventlog.js").EventLog} EventLog */

/** Bars by worker. */
export class Leases {
  /** @param {EventLog} log */
  constructor(log) {
    this.log = log;
    this.read = 0;
    /** @type {number[]} */
    this.worker = [];
    /** @type {number[]} */
    this.trial = [];
    /** @type {number[]} */
    this.bracket = [];
    /** @type {number[]} rung it trains towards */
    this.rung = [];
    /** @type {number[]} milliseconds since 1970 */
    this.from = [];
    /** @type {number[]} Infinity while it goes on */
    this.to = [];
    /** @type {number[]} */
    this.ending = [];
    /** @type {number[]} which of the rows of its worker each bar is in */
    this.lane = [];
    /** @type {number[][]} the bars of each worker, in the order of their beginning */
    this.byWorker = [];
    /** @type {number[][][]} the same for each of its rows */
    this._lanes = [];
    /** @type {{worker: number, lane: number, bars: number[]}[]} all rows, workers in the order of their first lease */
    this.rows = [];
    /** @type {number[]} the first row of each worker */
    this._first = [];
    /** @type {Map<number, number>} the open bar of each trial */
    this._open = new Map();
    /** @type {Map<number, number>} the rung that each trial trains towards */
    this._rungs = new Map();
    this._laneCount = 0;
  }

  get count() { return this.worker.length; }

  /** Take the events that have come since. */
  update() {
    const before = this._laneCount;
    for (; this.read < this.log.count; this.read++) this._take(this.read);
    if (this._laneCount > before) this._arrange();
    return this;
  }

  _arrange() {
    this.rows = [];
    this._lanes.forEach((lanes, worker) => {
      this._first[worker] = this.rows.length;
      lanes.forEach((bars, lane) => this.rows.push({ worker, lane, bars }));
    });
  }

  /** @param {number} bar */
  rowOf(bar) { return this._first[this.worker[bar]] + this.lane[bar]; }

  /** @param {number} at */
  _take(at) {
    const { log } = this, kind = log.kind[at], trial = log.trial[at];
    if (kind === KIND.other || trial < 0) return;
    if (kind === KIND.assign) this._assign(at, trial);
    else if (kind === KIND.continue) {
      const lane = this._close(at, trial, ON);
      this._rungs.set(trial, log.rung[at] + 1);
      this._begin(at, trial, lane);
    } else if (kind === KIND.retry) this._close(at, trial, LOST);
    else if (kind === KIND.release) this._close(at, trial, RELEASED);
    else if (kind === KIND.pause) this._close(at, trial, PAUSED);
    else this._close(at, trial, kind === KIND.failed || kind === KIND.invalid ? FAILED : ENDED);
  }

  /** @param {number} at @param {number} trial */
  _assign(at, trial) {
    const reason = this.log.reasons[at];
    if (reason === "PROMOTED" || reason === "CLONED") this._rungs.set(trial, this.log.rung[at] + 1);
    this._begin(at, trial);
  }

  /** @param {number} at @param {number} trial @param {number} [lane] where it was before */
  _begin(at, trial, lane) {
    const { log } = this, worker = log.worker[at];
    if (worker < 0) return;
    const bar = this.worker.push(worker) - 1;
    this.trial.push(trial);
    this.bracket.push(log.bracket[at]);
    this.rung.push(this._rungs.get(trial) ?? 0);
    this.from.push(log.time[at]);
    this.to.push(Infinity);
    this.ending.push(OPEN);
    (this.byWorker[worker] ??= []).push(bar);
    this._open.set(trial, bar);
    const lanes = (this._lanes[worker] ??= []);
    const over = (/** @type {number[] | undefined} */ bars) => bars !== undefined && this.to[bars[bars.length - 1]] <= this.from[bar];
    const free = lane !== undefined && over(lanes[lane]) ? lane : lanes.findIndex(over);
    this.lane.push(free < 0 ? lanes.length : free);
    if (free >= 0) lanes[free].push(bar);
    else {
      lanes.push([bar]);
      this._laneCount++;
    }
  }

  /** @param {number} at @param {number} trial @param {number} ending @returns {number | undefined} the lane of the bar that has ended */
  _close(at, trial, ending) {
    const bar = this._open.get(trial);
    if (bar === undefined) return undefined;
    this.to[bar] = this.log.time[at];
    this.ending[bar] = ending;
    this._open.delete(trial);
    return this.lane[bar];
  }

  /** The bar of a row at a time; -1 where there is none. @param {number} row @param {number} time */
  at(row, time) {
    const bars = this.rows[row]?.bars ?? [];
    let low = 0, high = bars.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.from[bars[middle]] <= time) low = middle + 1;
      else high = middle;
    }
    return low > 0 && this.to[bars[low - 1]] >= time ? bars[low - 1] : -1;
  }

  /** The rows that had begun by a time. @param {number} time */
  rowsBy(time) { return this.rows.filter(({ bars }) => this.from[bars[0]] <= time); }

  /** How many leases were lost by a time. @param {number} time */
  lostBy(time) {
    return this.ending.reduce((sum, ending, bar) => sum + Number(ending === LOST && this.to[bar] <= time), 0);
  }

  /** The share of a stretch of time in which trials were held, over all rows that had begun. @param {number} from @param {number} to */
  busy(from, to) {
    let held = 0;
    for (let bar = 0; bar < this.count; bar++) held += Math.max(0, Math.min(to, this.to[bar]) - Math.max(from, this.from[bar]));
    const rows = this.rowsBy(to).length;
    return to > from && rows ? held / ((to - from) * rows) : 0;
  }
}
