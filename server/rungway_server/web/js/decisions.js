/** The last decisions in words. */
import { moment, msOf } from "./format.js";
import { html } from "./html.js";

/**
 * @typedef {object} Line
 * @property {string} id
 * @property {number} time milliseconds since 1970
 * @property {number} trial -1 = of the experiment
 * @property {string} kind
 * @property {string} text
 */

/** Lines of what the service sent, newest first. @param {any[]} events @param {number} most @returns {Line[]} */
export function linesOf(events, most) {
  return events.slice(-most).reverse().map((event) => ({
    id: event.eventId, time: msOf(event.time), trial: event.trial ?? 0, kind: event.kind,
    text: event.explanation?.text || event.message || event.kind,
  }));
}

/** Lines of a log up to a place, newest first. @param {import("./eventlog.js").EventLog} log @param {number} until @param {number} most @returns {Line[]} */
export function linesOfLog(log, until, most) {
  const lines = [];
  for (let at = until - 1; at >= 0 && lines.length < most; at--) {
    lines.push({ id: String(at), time: log.time[at], trial: log.trial[at], kind: "", text: log.texts[at] });
  }
  return lines;
}

/**
 * @param {object} props
 * @param {any} props.store
 * @param {Line[]} props.lines
 */
export function Decisions({ store, lines }) {
  if (!lines.length) return html`<p class="nothing">Nothing has been decided yet.</p>`;
  return html`<ol class="decisions">${lines.map(({ id, time, trial, text }) => html`<li key=${id}>
    <time>${moment(time, true)}</time>
    ${trial >= 0 ? html`<a ...${store.link({ view: "trial", trial })}>trial ${trial}</a>` : html`<b>the search</b>`}
    <span>${text}</span>
  </li>`)}</ol>`;
}
