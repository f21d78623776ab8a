/** A trial in short, beside the pointer or the focus. */
import { STATE, STATES } from "./columns.js";
import { number, valueText } from "./format.js";
import { html } from "./html.js";

const MOST_PARAMETERS = 8;

/** What a trial does, in words. @param {any} trials @param {number} row @param {string} unit */
export function stateText(trials, row, unit) {
  const state = trials.state[row], length = `${number(trials.length[row])} ${unit}`;
  if (state === STATE.RUNNING) return `running towards rung ${trials.rung[row]}, at ${length}`;
  if (state === STATE.PAUSED) return `waits at rung ${trials.rung[row]} (${length})`;
  if (state === STATE.QUEUED) return `waits for a worker, at ${length}`;
  return `${STATES[state]} at ${length}`;
}

/**
 * @param {object} props
 * @param {any} props.trials Trials
 * @param {number} props.row
 * @param {string} props.unit
 * @param {string} props.metric its name
 * @param {any} [props.more] a sentence about the place it is shown at
 */
export function TrialCard({ trials, row, unit, metric, more }) {
  const worker = trials.workers[trials.worker[row]], parent = trials.parent[row];
  const values = trials.parameters.slice(0, MOST_PARAMETERS);
  return html`<div class="hover-body">
    <strong>trial ${trials.trial[row]}</strong> ${stateText(trials, row, unit)}
    ${more && html`<div>${more}</div>`}
    <div>${metric} ${number(trials.metric[row])}, best ${number(trials.bestMetric[row])} at ${number(trials.bestLength[row])} ${unit}${
      worker ? html` · ${worker}` : ""}${parent >= 0 ? html` · clone of trial ${parent}` : ""}${
      trials.restarts[row] ? html` · restarted ${trials.restarts[row]} times` : ""}</div>
    <dl>${values.map((/** @type {any} */ each) => html`<div key=${each.name}><dt>${each.name}</dt><dd>${valueText(trials.valueOf(each, row))}</dd></div>`)}</dl>
    ${trials.parameters.length > MOST_PARAMETERS && html`<div>and ${trials.parameters.length - MOST_PARAMETERS} more values</div>`}
  </div>`;
}

/**
 * A card at a place in a picture, kept inside it.
 * @param {object} props
 * @param {{x: number, y: number, width: number, height: number}} props.place
 * @param {any} props.children
 */
export function Card({ place, children }) {
  const wide = Math.min(300, place.width - 8), right = place.x > place.width / 2;
  const left = Math.max(4, Math.min(right ? place.x - wide - 14 : place.x + 14, place.width - wide - 4));
  const low = place.y > place.height / 2;
  const vertical = low ? { bottom: `${Math.max(4, place.height - place.y + 10)}px` } : { top: `${place.y + 12}px` };
  return html`<div class="hover-card" role="status" style=${{ left: `${left}px`, width: `${wide}px`, ...vertical }}>${children}</div>`;
}
