/** Why a trial was promoted, paused, stopped: each decision in a sentence, with a strip of its rung at that moment. */

import { count, lengthText, moment, msOf, number } from "./format.js";
import { html, useSignal } from "./html.js";
import { themeOf } from "./theme.js";

/** @typedef {import("./store.js").Store} Store */

const DID = /** @type {Record<string, string>} */ ({
  assign: "Handed to a worker", continue: "Went on", pause: "Paused", stop: "Ended", finished: "Counted in a further rung", release: "Given back",
  retry: "Will be tried again", failed: "Failed", invalid: "Invalid",
});

/** @param {{store: Store, experiment: any, trial: any}} props */
export function Why({ store, experiment, trial }) {
  const theme = themeOf(useSignal(store.theme)), { unit } = experiment.plan;
  if (!trial.events.length) return html`<p class="soft">Nothing was decided yet.</p>`;
  return html`<ol class="why">${trial.events.map((/** @type {any} */ event) => html`<li>
      ${event.kind === "dropped" ? html`<p class="soft">${count(event.dropped)} decisions in between are no longer kept.</p>` : html`
      <p><strong>${DID[event.kind] || event.kind}</strong> <span class="soft">${moment(msOf(event.time), true)}${event.length ? `, at ${lengthText(event.length, unit)}` : ""}${event.metric !== undefined ? `, ${number(event.metric)}` : ""}${event.worker ? `, ${event.worker}` : ""}</span></p>
      <p>${event.explanation?.text || ""}${event.explanation?.parent !== undefined ? html` <a ...${store.link({ view: "trial", trial: event.explanation.parent })}>trial ${event.explanation.parent}</a>` : ""}</p>
      ${event.message && html`<pre class="message" tabindex="0" aria-label="Error">${event.message}</pre>`}
      ${event.explanation?.rungSize > 0 && event.explanation.rung >= 0 && html`<${Strip} why=${event.explanation} theme=${theme} />`}`}
    </li>`)}</ol>
    ${trial.more && html`<p class="soft">Only the first ${count(trial.events.length)} are shown: <code>rungway explain ${experiment.experiment} ${trial.trial}</code> has all.</p>`}`;
}

const WIDE = 320, HIGH = 34, EDGE = 8;

/** The rung then, best left: the places that go on are shaded, the trial is the dot. @param {{why: any, theme: import("./theme.js").Theme}} props */
function Strip({ why, theme }) {
  const { rank, rungSize, quota, cutoff } = why, wide = WIDE - 2 * EDGE, { reason } = why;
  const x = (/** @type {number} */ place) => EDGE + ((place + 0.5) / rungSize) * wide, up = rank < quota || reason === "REASON_COMPLETED" || reason === "REASON_CLONED";
  const ticks = rungSize <= 120 ? Array.from({ length: rungSize }, (_, i) => i) : [];
  const colour = up ? theme.good : reason === "REASON_STOPPED_AT_RUNG" ? theme.bad : theme.soft;
  const label = `Rank ${rank} of ${rungSize}, 0 is the best; ${quota ? `the best ${quota} ${quota === 1 ? "goes" : "go"} on` : "none goes on"}`;
  return html`<svg class="strip" width=${WIDE} height=${HIGH} role="img" aria-label=${label}><title>${label}</title>
      <rect x=${EDGE} y="6" width=${wide} height="14" rx="2" fill="none" stroke=${theme.line} />
      <rect x=${EDGE} y="6" width=${(Math.min(quota, rungSize) / rungSize) * wide} height="14" rx="2" fill=${theme.good} fill-opacity="0.25" />
      ${ticks.map((i) => html`<line x1=${x(i)} x2=${x(i)} y1="9" y2="17" stroke=${theme.soft} stroke-width="1" />`)}
      <circle cx=${x(rank)} cy="13" r="5" fill=${up ? colour : theme.back} stroke=${colour} stroke-width="2" />
      <text class="axis" x=${EDGE} y=${HIGH - 2}>best</text>
      <text class="axis" x=${WIDE - EDGE} y=${HIGH - 2} text-anchor="end">rank ${count(rank)} of ${count(rungSize)}${cutoff !== undefined ? `, cut-off ${number(cutoff)}` : ""}</text></svg>`;
}
