/** What is shown and what is not, in words, with the filter and everything that was brushed. */

import { columnNames } from "./filter.js";
import { count, many, number } from "./format.js";
import { html, useId, useSignal } from "./html.js";

/** @param {{store: import("./store.js").Store}} props */
export function FilterBar({ store }) {
  const { mask, error, count: chosen } = useSignal(store.chosen), text = useSignal(store.filter), brush = useSignal(store.brush);
  const selected = useSignal(store.selected), partial = useSignal(store.partial), id = useId();
  const { trials } = store, brushed = Object.entries(brush);
  const without = (/** @type {string} */ name) => Object.fromEntries(brushed.filter(([each]) => each !== name));
  return html`<div class="filterbar">
    <label>Filter <input type="text" data-filter value=${text} placeholder="lr > 1e-3 and state = paused" spellcheck=${false} autocomplete="off"
      list=${id} onInput=${(/** @type {any} */ e) => { store.filter.value = e.target.value; }} aria-invalid=${Boolean(error)} aria-describedby=${`${id}-said`} /></label>
    <datalist id=${id}>${columnNames(trials).map((name) => html`<option value=${name} />`)}</datalist>
    ${brushed.map(([name, range]) => html`<button class="chip" title="Take this away" onClick=${() => { store.brush.value = without(name); }}>
      ${rangeText(name, range)} <span aria-hidden="true">✕</span></button>`)}
    ${(text || brushed.length > 0) && html`<button class="quiet" onClick=${() => { store.filter.value = ""; store.brush.value = {}; }}>Clear</button>`}
    <p id=${`${id}-said`} class=${error ? "error" : "soft"}>${error ? `The filter is not used: ${error.message}.` : partial && trials.count ? `Reading: ${many(trials.count, "trial")} so far.` : shown(trials, mask, chosen)}
      ${selected.size > 0 && ` ${many(selected.size, "trial")} selected.`}</p>
  </div>`;
}

/** @param {import("./columns.js").Trials} trials @param {Uint8Array | null} mask @param {number} chosen */
function shown(trials, mask, chosen) {
  const more = trials.leftOut ? ` ${count(trials.leftOut)} more are left out: the page shows the best and the latest.` : "";
  const left = more + (trials.parametersLeftOut ? ` ${many(trials.parametersLeftOut, "hyperparameter")} of many ${trials.parametersLeftOut === 1 ? "is" : "are"} left out.` : "");
  if (!trials.count) return "No trial has started yet.";
  if (!mask) return `Shown: all ${many(trials.count, "trial")}.${left}`.replace("all 1 trial.", "the only trial.");
  return `Shown: ${count(chosen)} of ${many(trials.count, "trial")}.${left}`;
}

/** @param {string} name @param {import("./filter.js").Range} range */
function rangeText(name, { min, max, values }) {
  if (values) return `${name}: ${values.map((value) => (value === null ? "not set" : String(value))).join(", ")}`;
  if (min === undefined) return `${name} ≤ ${number(max)}`;
  return max === undefined ? `${name} ≥ ${number(min)}` : `${name}: ${number(min)} … ${number(max)}`;
}
