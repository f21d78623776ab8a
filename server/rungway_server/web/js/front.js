/** Two objectives against each other: who is on the front, and who violates a constraint. */

import { Chart } from "./chart.js";
import { STATE } from "./columns.js";
import { PlainTable } from "./figure.js";
import { frontOf, objectivesOf } from "./front_model.js";
import { many, number } from "./format.js";
import { html, useMemo, useSignal } from "./html.js";
import { themeOf } from "./theme.js";

const MOST = 1000; // dots beside the front

/** @param {{store: import("./store.js").Store}} props */
export function Front({ store }) {
  const experiment = useSignal(store.experiment), version = useSignal(store.version), theme = themeOf(useSignal(store.theme)), mask = useSignal(store.mask);
  const { trials } = store, objectives = objectivesOf(experiment), params = [store.param("front.x", ""), store.param("front.y", "")];
  const chosen = params.map((param, i) => { const key = useSignal(param); return objectives.find((each) => each.name === key) || objectives[i]; });
  const front = /** @type {number[]} */ (useMemo(() => frontOf(trials, experiment), [version, experiment]));
  const columns = chosen.map((each) => each && trials.objectives.get(each.name)), [x, y] = /** @type {Float64Array[]} */ (columns);
  if (objectives.length < 2) return html`<p class="empty">This search has one objective.</p>`;
  if (!x || !y) return html`<p class="empty">No trial has begun.</p>`;
  const on = new Set(front), seen = (/** @type {number} */ row) => Number.isFinite(x[row]) && Number.isFinite(y[row]) && trials.state[row] !== STATE.INVALID && (!mask || mask[row]);
  const rows = [];
  for (let row = trials.count - 1; row >= 0; row--) if (!on.has(row) && seen(row)) rows.push(row);
  const place = (/** @type {number} */ row) => /** @type {[number, number]} */ ([x[row], y[row]]), shown = rows.slice(0, MOST);
  const best = front.filter(seen).sort((a, b) => (chosen[0].smaller ? 1 : -1) * (x[a] - x[b]) || y[a] - y[b]);
  const part = (/** @type {string} */ name, /** @type {number[]} */ of, /** @type {string} */ colour, /** @type {any} */ more) =>
    ({ name, points: of.map(place), titles: of.map((row) => `trial ${trials.trial[row]}`), colour, dots: true, ...more });
  const bad = shown.filter((row) => trials.violation[row] > 0);
  const lines = [
    part("dominated, or not trained to the end", shown.filter((row) => !(trials.violation[row] > 0)), theme.soft, { bare: true }),
    ...(bad.length ? [part("violates a constraint", bad, theme.bad, { bare: true, cross: true })] : []),
    part("on the front", best, theme.accent, { bare: objectives.length > 2, steps: true, large: true }),
  ];
  const goal = (/** @type {any} */ each) => `${each.name} (${each.smaller ? "smaller" : "larger"} is better)`;
  const choice = (/** @type {number} */ i, /** @type {string} */ words) => html`<label>${words} <select onChange=${(/** @type {any} */ event) => { params[i].value = event.target.value; }}>
    ${objectives.map((each) => html`<option value=${each.name} selected=${each === chosen[i]}>${each.name}</option>`)}</select></label>`;
  const table = html`<${PlainTable} heads=${["Trial", ...objectives.map((each) => each.name)]}
    rows=${best.map((row) => [html`<a ...${store.link({ view: "trial", trial: trials.trial[row] })}>${trials.trial[row]}</a>`, ...objectives.map((each) => number(trials.objectives.get(each.name)?.[row]))])} />`;
  return html`<${Chart} lines=${lines} height=${420} label=${`${chosen[0].name} and ${chosen[1].name} of each trial`} xName=${goal(chosen[0])} yName=${goal(chosen[1])} table=${table}
    caption=${`${many(best.length, "trial")} on the front of ${many(rows.length + best.length, "trial")} with both objectives${mask ? " within the filter" : ""}.${rows.length > MOST ? ` Of the others the latest ${MOST} are drawn.` : ""}`}
    controls=${html`${choice(0, "across")}${choice(1, "up")}`} />`;
}
