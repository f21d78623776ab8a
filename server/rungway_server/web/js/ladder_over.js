/** What moves on top of the ladder: chosen trials and their way up, promotions that fly, and the range being chosen. */
import { pathOf, stripTop, xOf } from "./ladder_layout.js";

/** @typedef {import("./ladder_model.js").LadderModel} LadderModel */
/** @typedef {import("./ladder_layout.js").Layout} Layout */
/** @typedef {import("./palette.js").Palette} Palette */
/** @typedef {{trial: number, bracket: number, rung: number, metric: number, start: number}} Flight */

export const FLIGHT_MS = 400;
const MOST_FLIGHTS = 60;

/** Notices which trials have gone on since it was asked before. */
export class Promotions {
  constructor() {
    /** @type {any} */
    this.trials = null;
    this.epoch = -1;
    this.rungs = new Int32Array(0);
    this.count = 0;
  }

  /**
   * @param {any} trials Trials
   * @param {LadderModel} model
   * @param {number} now milliseconds
   * @returns {Flight[]}
   */
  since(trials, model, now) {
    /** @type {Flight[]} */
    const flights = [], fresh = trials !== this.trials || trials.epoch !== this.epoch;
    if (!fresh) {
      for (let row = 0; row < this.count && flights.length < MOST_FLIGHTS; row++) {
        if (trials.rung[row] <= this.rungs[row]) continue;
        const rung = model.brackets[trials.bracket[row]]?.rungs[trials.rung[row] - 1];
        const at = rung ? rung.trials.indexOf(trials.trial[row]) : -1;
        if (at >= 0) flights.push({ trial: trials.trial[row], bracket: rung.bracket, rung: rung.rung, metric: rung.metrics[at], start: now });
      }
    }
    if (this.rungs.length < trials.count) this.rungs = new Int32Array(2 * trials.count);
    for (let row = 0; row < trials.count; row++) this.rungs[row] = trials.rung[row];
    [this.trials, this.epoch, this.count] = [trials, trials.epoch, trials.count];
    return flights;
  }
}

/** @param {CanvasRenderingContext2D} context @param {Layout} layout @param {LadderModel} model @param {number} trial @param {string} colour @param {boolean} strong */
export function drawPath(context, layout, model, trial, colour, strong) {
  const places = pathOf(layout, model, trial);
  context.strokeStyle = colour;
  context.lineWidth = strong ? 2 : 1.5;
  context.beginPath();
  places.forEach(({ x, y }, at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
  for (const { x, y } of places) {
    context.beginPath();
    context.arc(x, y, 5.5, 0, 7);
    context.stroke();
  }
}

/** Draws the flights; returns those that are still on their way. @param {CanvasRenderingContext2D} context @param {Layout} layout @param {LadderModel} model @param {Flight[]} flights @param {number} now @param {Palette} palette */
export function drawFlights(context, layout, model, flights, now, palette) {
  return flights.filter((flight) => {
    const share = (now - flight.start) / FLIGHT_MS, rungs = model.brackets[flight.bracket]?.rungs;
    if (share >= 1 || !rungs?.[flight.rung + 1]) return false;
    const from = stripTop(layout, rungs[flight.rung].length) + layout.stripHeight / 2;
    const to = stripTop(layout, rungs[flight.rung + 1].length) + layout.stripHeight + 8;
    const x = xOf(layout, flight.bracket, flight.metric), y = from + (to - from) * (1 - (1 - share) ** 3);
    if (x !== x) return true;
    context.strokeStyle = palette.accent;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x, from);
    context.lineTo(x, y);
    context.stroke();
    context.fillStyle = palette.accent;
    context.beginPath();
    context.arc(x, y, 5, 0, 7);
    context.fill();
    return true;
  });
}

/** The range that is being chosen. @param {CanvasRenderingContext2D} context @param {{from: number, to: number}} range @param {number} height @param {Palette} palette */
export function drawRange(context, { from, to }, height, palette) {
  context.fillStyle = palette.band;
  context.fillRect(Math.min(from, to), 0, Math.abs(to - from), height);
  context.strokeStyle = palette.accent;
  context.lineWidth = 1;
  context.strokeRect(Math.min(from, to), 0.5, Math.abs(to - from), height - 1);
}
