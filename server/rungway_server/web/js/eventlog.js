/**
 * The event log of an experiment as columns: what the ladder replays and the workers' bars are made of.
 *
 * It is read only while a view asks for it, goes on where it was, and is kept for the next view that asks.
 */
import { follow } from "./api.js";
import { grown } from "./columns.js";
import { signal, useEffect, useSignal } from "./html.js";

/** What an event says of its trial, or of the experiment. */
export const KIND = {
  other: 0, assign: 1, continue: 2, pause: 3, stop: 4, finished: 5, release: 6, retry: 7, failed: 8, invalid: 9,
};

const LIVE_MS = 250, PAST_MS = 1000;

/** Events as columns, oldest first. */
export class EventLog {
  constructor() {
    this.count = 0;
    this.time = new Float64Array(0); // milliseconds since 1970
    this.kind = new Uint8Array(0);
    this.trial = new Int32Array(0);
    this.bracket = new Int32Array(0);
    this.rung = new Int32Array(0); // that decided; -1 = none
    this.length = new Float64Array(0);
    this.metric = new Float64Array(0);
    this.worker = new Int32Array(0); // place in `workers`; -1 = none
    /** @type {string[]} without "REASON_" */
    this.reasons = [];
    /** @type {string[]} */
    this.texts = [];
    /** @type {string[]} */
    this.workers = [];
    this.lastId = "";
    /** @type {Map<string, number>} */
    this._workers = new Map();
  }

  /** @param {any} event of the service */
  add(event) {
    const at = this.count++, why = event.explanation;
    if (at >= this.time.length) this._grow(Math.max(1024, 2 * at));
    this.time[at] = Date.parse(event.time);
    this.kind[at] = /** @type {any} */ (KIND)[event.kind] ?? 0;
    this.trial[at] = event.trial ?? 0;
    this.bracket[at] = why?.bracket ?? 0;
    this.rung[at] = why ? why.rung ?? 0 : -1;
    this.length[at] = event.length ?? 0;
    this.metric[at] = event.metric === undefined ? NaN : Number(event.metric.$double ?? event.metric);
    this.worker[at] = event.worker ? this._workerOf(event.worker) : -1;
    this.reasons[at] = (why?.reason ?? "").replace("REASON_", "");
    this.texts[at] = why?.text || event.message || event.kind;
    this.lastId = event.eventId;
  }

  /** How many events are no later than a time (milliseconds since 1970). @param {number} time */
  until(time) {
    let low = 0, high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time[middle] <= time) low = middle + 1;
      else high = middle;
    }
    return low;
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

  /** @param {number} size */
  _grow(size) {
    const all = /** @type {any} */ (this);
    for (const name of ["time", "kind", "trial", "bracket", "rung", "length", "metric", "worker"]) {
      all[name] = grown(all[name], size);
    }
  }
}

/** Whether one id of an event is later than another. @param {string} id @param {string} other */
export function isLater(id, other) {
  if (!other || !id) return Boolean(id) && !other;
  const [ms, count] = id.split("-").map(Number), [otherMs, otherCount] = other.split("-").map(Number);
  return ms > otherMs || (ms === otherMs && count > otherCount);
}

/**
 * @typedef {object} Reading
 * @property {string} uid
 * @property {EventLog} log
 * @property {{value: number, peek(): number, subscribe: any}} version grows, a few times a second at most, with what came
 * @property {{value: string, peek(): string, subscribe: any}} state "reading" the past, "live", "failed"
 * @property {string} problem
 * @property {number} readers
 * @property {AbortController | null} stop
 */

/** @type {Reading | null} */
let latest = null;

/** @param {any} experiment @returns {Reading} */
function readingOf(experiment) {
  if (latest?.uid !== experiment.uid) {
    latest?.stop?.abort();
    latest = {
      uid: experiment.uid, log: new EventLog(), version: signal(0), state: signal("reading"), problem: "", readers: 0, stop: null,
    };
  }
  return /** @type {Reading} */ (latest);
}

/** @param {any} store @param {Reading} reading @param {string} name */
async function read(store, reading, name) {
  const stop = (reading.stop = new AbortController()), { log } = reading;
  const known = store.events.peek().at(-1)?.eventId ?? "";
  let timer = 0;
  const tell = () => {
    timer = 0;
    if (!isLater(known, log.lastId)) reading.state.value = "live";
    reading.version.value = reading.version.peek() + 1;
  };
  if (!isLater(known, log.lastId)) tell();
  try {
    const request = () => ({ experiment: name, afterEventId: log.lastId });
    await follow("ExperimentService/WatchEvents", request, ({ event }) => {
      if (!event || !isLater(event.eventId, log.lastId)) return;
      log.add(event);
      timer ||= window.setTimeout(tell, reading.state.peek() === "live" ? LIVE_MS : PAST_MS);
    }, { signal: stop.signal });
    reading.state.value = "live";
  } catch (error) {
    if (stop.signal.aborted) return;
    reading.problem = /** @type {Error} */ (error).message;
    reading.state.value = "failed";
  }
  tell();
}

/**
 * The event log, read from its beginning while a component that wants it is shown.
 * @param {any} store @param {boolean} wanted
 * @returns {Reading | null} null while it is not wanted
 */
export function useEventLog(store, wanted) {
  const experiment = useSignal(store.experiment), uid = experiment?.uid;
  const reading = wanted && experiment ? readingOf(experiment) : null;
  useEffect(() => {
    if (!reading) return undefined;
    if (reading.readers++ === 0) read(store, reading, experiment.experiment);
    return () => {
      if (--reading.readers === 0) reading.stop?.abort();
    };
  }, [uid, wanted]);
  useSignal(reading ? reading.version : NEVER);
  useSignal(reading ? reading.state : NEVER);
  return reading;
}

const NEVER = signal(0);
