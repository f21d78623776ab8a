/** Up to 8 trials side by side: their curves, their results, and where their configurations differ. */

import { ApiError, call } from "./api.js";
import { Chart } from "./chart.js";
import { STATES } from "./columns.js";
import { goalOf, number, valueText } from "./format.js";
import { html, useEffect, useSignal, useState } from "./html.js";
import { themeOf } from "./theme.js";

/** @typedef {import("./store.js").Store} Store */

/** @param {{store: Store}} props */
export function Compare({ store }) {
  const selected = [...useSignal(store.selected)].sort((a, b) => a - b), experiment = useSignal(store.experiment), theme = themeOf(useSignal(store.theme));
  const version = useSignal(store.version), [curves, setCurves] = useState(/** @type {any[]} */ ([])), [problem, setProblem] = useState("");
  const key = selected.map((trial) => `${trial}:${store.trials.length[store.trials.rowOf(trial)]}`).join(" ");
  useEffect(() => {
    const stopping = new AbortController();
    call("ViewService/GetCurves", { experiment: experiment.experiment, trials: selected, maxPoints: 128 }, { signal: stopping.signal })
      .then((answer) => { setCurves(answer.curves); setProblem(""); })
      .catch((error) => { if (error instanceof ApiError) setProblem(error.message); });
    return () => stopping.abort();
  }, [key]);
  void version;
  const { trials } = store, known = selected.filter((trial) => trials.rowOf(trial) >= 0), goal = goalOf(experiment);
  const parameters = trials.parameters.map((each) => {
    const values = known.map((trial) => valueText(trials.valueOf(each, trials.rowOf(trial))));
    return { name: each.name, values, differs: new Set(values).size > 1 };
  });
  const lines = curves.map((/** @type {any} */ curve) => ({
    name: `trial ${curve.trial}`, colour: theme.selected[selected.indexOf(curve.trial) % 8], dots: curve.length.length < 40,
    points: curve.length.map((/** @type {number} */ length, /** @type {number} */ i) => [length, Number(curve.metric[i])]),
  }));
  return html`<section class="card compare" aria-label="Comparison">
    ${problem && html`<p class="error">${problem}</p>`}
    ${lines.length > 0 && html`<${Chart} lines=${lines} xName=${experiment.plan.unit} yName=${goal.metric} fromZero=${true} label=${`Learning curves of ${known.length} trials`} caption="Learning curves of the selected trials." height=${240} />`}
    <div class="scroll" tabindex="0" role="region" aria-label="Configurations compared"><table>
      <thead><tr><th>Of</th>${known.map((trial) => html`<th class="number"><a ...${store.link({ view: "trial", trial })}>trial ${trial}</a></th>`)}</tr></thead>
      <tbody>
        <tr><th scope="row">state</th>${known.map((trial) => html`<td class="number">${STATES[trials.state[trials.rowOf(trial)]]}</td>`)}</tr>
        <tr><th scope="row">best ${goal.metric}</th>${known.map((trial) => html`<td class="number">${number(trials.bestMetric[trials.rowOf(trial)])}</td>`)}</tr>
        <tr><th scope="row">length</th>${known.map((trial) => html`<td class="number">${number(trials.length[trials.rowOf(trial)])}</td>`)}</tr>
        ${parameters.map((each) => html`<tr class=${each.differs && known.length > 1 ? "chosen" : ""}><th scope="row">${each.name}</th>${each.values.map((value) => html`<td class="number">${value}</td>`)}</tr>`)}
      </tbody></table></div>
    ${known.length > 1 && html`<p class="soft">Coloured: where they differ.</p>`}
  </section>`;
}
