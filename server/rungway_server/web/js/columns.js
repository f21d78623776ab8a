/**
 * A search as columns: typed arrays with a row per trial, brought up to date by what the service sends.
 *
 * Ten thousand trials are drawn and filtered in milliseconds this way. Rows stay where they are until a reset, so a row
 * number is good for as long as `epoch` is the same.
 */

export const STATES = ["", "running", "paused", "queued", "completed", "stopped", "failed", "invalid"];
export const OUTCOMES = ["", "preempted", "transient", "invalid", "diverged", "error", "stopped", "finished"];
/** Numbers of TrialState. */
export const STATE = { RUNNING: 1, PAUSED: 2, QUEUED: 3, COMPLETED: 4, STOPPED: 5, FAILED: 6, INVALID: 7 };

/** @typedef {{name: string, kind: "number" | "category", numbers: Float64Array, values: any[], index: Int32Array, log: boolean}} Parameter */

/** Name here, name on the wire, array. @type {[string, string, any][]} */
const COLUMNS = [
  ["trial", "trial", Int32Array], ["state", "state", Uint8Array], ["outcome", "outcome", Uint8Array],
  ["bracket", "bracket", Int32Array], ["rung", "rung", Int32Array], ["length", "length", Float64Array],
  ["metric", "metric", Float64Array], ["bestMetric", "bestMetric", Float64Array],
  ["bestLength", "bestLength", Float64Array], ["restarts", "restarts", Int32Array],
  ["createMs", "createMs", Float64Array], ["parent", "parent", Int32Array],
  ["leaseDeadlineMs", "leaseDeadlineMs", Float64Array],
];

/** A longer array with the same beginning. @template {{length: number, set: Function}} T @param {T} old @param {number} size @param {number} [fill] @returns {T} */
export function grown(old, size, fill = 0) {
  const kind = /** @type {any} */ (old).constructor;
  const bigger = new kind(size);
  if (fill) bigger.fill(fill, old.length);
  bigger.set(old);
  return bigger;
}

/** The trials of one experiment. */
export class Trials {
  /** Grows with each change; `epoch` when everything known before is void. */
  version = 0;
  epoch = 0;
  count = 0;
  capacity = 0;
  /** Trials, and hyperparameters, that the service leaves out. */
  leftOut = 0;
  parametersLeftOut = 0;
  trial = new Int32Array(0);
  state = new Uint8Array(0);
  outcome = new Uint8Array(0);
  bracket = new Int32Array(0);
  rung = new Int32Array(0);
  length = new Float64Array(0);
  metric = new Float64Array(0);
  bestMetric = new Float64Array(0);
  bestLength = new Float64Array(0);
  restarts = new Int32Array(0);
  createMs = new Float64Array(0);
  /** Places in `workers`; -1 = none. */
  worker = new Int32Array(0);
  parent = new Int32Array(0);
  leaseDeadlineMs = new Float64Array(0);
  /** What the last results rank by, where that is not the metric alone. @type {Map<string, Float64Array>} */
  objectives = new Map();
  violation = new Float64Array(0);
  /** @type {string[]} */
  workers = [];
  /** @type {Parameter[]} */
  parameters = [];
  results = { bracket: new Int32Array(0), rung: new Int32Array(0), trial: new Int32Array(0), metric: new Float64Array(0), count: 0 };
  /** @type {Map<number, number>} */
  _rows = new Map();
  /** @type {Map<string, number>} */
  _workers = new Map();

  /** Forget everything. */
  clear() {
    const { version, epoch } = this;
    Object.assign(this, new Trials(), { version: version + 1, epoch: epoch + 1 });
  }

  /** The row of a trial; -1 if it is not here. @param {number} trial */
  rowOf(trial) { return this._rows.get(trial) ?? -1; }

  /** The parameter of this name. @param {string} name @returns {Parameter | undefined} */
  parameter(name) { return this.parameters.find((each) => each.name === name); }

  /** The value of a parameter in a row; undefined if the trial does not have it. @param {Parameter} parameter @param {number} row */
  valueOf(parameter, row) {
    if (parameter.kind === "category") return parameter.values[parameter.index[row]];
    return Number.isNaN(parameter.numbers[row]) ? undefined : parameter.numbers[row];
  }

  /**
   * Take a View: the whole, or what changed.
   * @param {any} view
   */
  apply(view) {
    if (view.reset) this.clear();
    this.leftOut = view.leftOut ?? this.leftOut;
    this.parametersLeftOut = view.parametersLeftOut ?? this.parametersLeftOut;
    if (view.trials?.trial?.length) this._takeTrials(view.trials);
    if (view.results?.trial?.length) this._takeResults(view.results);
    this.version++;
  }

  /** @param {any} columns */
  _takeTrials(columns) {
    const rows = this._rowsFor(columns.trial);
    for (const [here, there] of COLUMNS) {
      const to = /** @type {any} */ (this)[here], from = columns[there];
      // Texts ("NaN") become numbers as they are stored.
      for (let i = 0; i < rows.length; i++) to[rows[i]] = from[i];
    }
    const workers = (columns.workers || []).map((/** @type {string} */ name) => this._workerOf(name));
    for (let i = 0; i < rows.length; i++) this.worker[rows[i]] = columns.worker[i] < 0 ? -1 : workers[columns.worker[i]];
    for (const each of columns.parameters || []) this._takeParameter(each, rows);
    for (const { name, values } of columns.objectives || []) {
      const mine = this.objectives.get(name) || new Float64Array(this.capacity).fill(NaN);
      for (let i = 0; i < rows.length; i++) mine[rows[i]] = values[i];
      this.objectives.set(name, mine);
    }
    for (let i = 0; i < (columns.violation || []).length; i++) this.violation[rows[i]] = columns.violation[i];
  }

  /** Rows for these trials, new ones at the end. @param {number[]} trials */
  _rowsFor(trials) {
    const rows = new Int32Array(trials.length);
    for (let i = 0; i < trials.length; i++) {
      let row = this._rows.get(trials[i]);
      if (row === undefined) {
        row = this.count++;
        this._rows.set(trials[i], row);
      }
      rows[i] = row;
    }
    if (this.count > this.capacity) this._grow(Math.max(256, this.count, Math.min(2 * this.capacity, this.count + 65536)));
    return rows;
  }

  /** @param {number} size */
  _grow(size) {
    this.capacity = size;
    const all = /** @type {any} */ (this);
    for (const [name] of COLUMNS) all[name] = grown(all[name], size);
    this.worker = grown(this.worker, size, -1);
    this.violation = grown(this.violation, size, NaN);
    for (const [name, values] of this.objectives) this.objectives.set(name, grown(values, size, NaN));
    for (const each of this.parameters) {
      if (each.kind === "number") each.numbers = grown(each.numbers, size, NaN);
      else each.index = grown(each.index, size, -1);
    }
  }

  /** @param {string} name */
  _workerOf(name) {
    let place = this._workers.get(name);
    if (place === undefined) {
      place = this.workers.push(name) - 1;
      this._workers.set(name, place);
    }
    return place;
  }

  /** @param {any} column @param {Int32Array} rows */
  _takeParameter(column, rows) {
    const isNumber = !column.values?.length;
    const numbers = column.numbers || [];
    if (isNumber && !numbers.length) return; // no row has it
    let mine = this.parameter(column.name);
    if (!mine) {
      mine = { name: column.name, kind: isNumber ? "number" : "category", numbers: new Float64Array(0), values: [], index: new Int32Array(0), log: false };
      if (isNumber) mine.numbers = grown(mine.numbers, this.capacity, NaN);
      else mine.index = grown(mine.index, this.capacity, -1);
      this.parameters.push(mine);
    }
    mine.log ||= Boolean(column.log);
    if (!isNumber && mine.kind === "number") toCategory(mine);
    if (mine.kind === "number") {
      for (let i = 0; i < rows.length; i++) mine.numbers[rows[i]] = numbers[i];
      return;
    }
    const place = placer(mine);
    if (isNumber) {
      for (let i = 0; i < rows.length; i++) mine.index[rows[i]] = Number.isNaN(Number(numbers[i])) ? -1 : place(Number(numbers[i]));
    } else {
      const places = column.values.map(place);
      for (let i = 0; i < rows.length; i++) mine.index[rows[i]] = column.index[i] < 0 ? -1 : places[column.index[i]];
    }
  }

  /** @param {any} results */
  _takeResults(results) {
    const mine = this.results, from = mine.count, count = from + results.trial.length;
    if (count > mine.trial.length) {
      const size = Math.max(256, count, Math.min(2 * mine.trial.length, count + 131072));
      mine.bracket = grown(mine.bracket, size);
      mine.rung = grown(mine.rung, size);
      mine.trial = grown(mine.trial, size);
      mine.metric = grown(mine.metric, size);
    }
    for (let i = from; i < count; i++) {
      mine.bracket[i] = results.bracket[i - from];
      mine.rung[i] = results.rung[i - from];
      mine.trial[i] = results.trial[i - from];
      mine.metric[i] = results.metric[i - from];
    }
    mine.count = count;
  }
}

/** A value as a key: 1 and "1" are two values. @param {any} value */
function keyOf(value) { return JSON.stringify(value); }

/** What gives the place of a value in the list of a parameter, and adds it. @param {Parameter} parameter */
function placer(parameter) {
  const places = new Map(parameter.values.map((value, place) => [keyOf(value), place]));
  return (/** @type {any} */ value) => {
    const key = keyOf(value);
    let place = places.get(key);
    if (place === undefined) {
      place = parameter.values.push(value) - 1;
      places.set(key, place);
    }
    return place;
  };
}

/** A parameter that was all numbers turns out not to be. @param {Parameter} parameter */
function toCategory(parameter) {
  const place = placer(parameter);
  parameter.kind = "category";
  parameter.index = Int32Array.from(parameter.numbers, (number) => (Number.isNaN(number) ? -1 : place(number)));
  parameter.numbers = new Float64Array(0);
}
