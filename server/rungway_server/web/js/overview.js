/** A search at a glance: the best so far, how far it is, who waits for what, which hyperparameters matter. */

import { Chart } from "./chart.js";
import { STATE, STATES } from "./columns.js";
import { count, goalOf, many, moment, msOf, number, percent, valueText } from "./format.js";
import { html, useMemo, useSignal } from "./html.js";
import { Bar, useImportance } from "./importance.js";
import { endOf } from "./searches.js";
import { bestSoFar, inOrder, randomSoFar, waits } from "./sofar.js";
import { themeOf } from "./theme.js";

/** @typedef {import("./store.js").Store} Store */

const AXES = /** @type {[import("./sofar.js").Axis, string][]} */ ([["time", "time"], ["trials", "trials"], ["length", "length spent"]]);

/** @param {{store: Store}} props */
export function Overview({ store }) {
  const experiment = useSignal(store.experiment);
  useSignal(store.version);
  if (!experiment?.plan) return null;
  return html`<div class="overview">
    <${Facts} store=${store} experiment=${experiment} />
    <${BestSoFar} store=${store} experiment=${experiment} />
    <div class="halves">
      <section><h2>Who waits for what</h2><${Waiting} store=${store} experiment=${experiment} /></section>
      <section><h2>What matters</h2><${ImportanceBars} store=${store} experiment=${experiment} /></section>
    </div>
    <section><h2>The search</h2><ul>${(experiment.summary || []).map((/** @type {string} */ line) => html`<li>${line}</li>`)}</ul>
      ${(experiment.notes || []).map((/** @type {string} */ note) => html`<p class="banner warn">${note}</p>`)}</section>
  </div>`;
}

/** @param {{store: Store, experiment: any}} props */
function Facts({ store, experiment }) {
  const { trials, plan } = experiment, goal = goalOf(experiment), now = useSignal(store.now);
  const most = plan.brackets.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.maxTrials, 0);
  const top = Math.max(...plan.brackets.flatMap((/** @type {any} */ each) => each.rungs.map((/** @type {any} */ rung) => rung.length)));
  const version = useSignal(store.version);
  const best = useMemo(() => bestSoFar(store.trials, inOrder(store.trials), goal.smaller, "trials").at(-1), [version, goal.smaller]);
  const random = most * top, counts = STATES.slice(1).filter((name) => trials[name]).map((name) => `${count(trials[name])} ${name}`);
  const running = experiment.state === "EXPERIMENT_STATE_RUNNING";
  return html`<dl class="facts">
    <div><dt>Best ${goal.metric}</dt><dd><strong>${best ? number(best[1]) : "no result yet"}</strong>
      ${best && html` <a ...${store.link({ view: "trial", trial: best[2] })}>trial ${best[2]}</a>`}</dd><dd class="soft">${goal.smaller ? "smaller" : "larger"} is better</dd></div>
    <div><dt>Progress</dt><dd><progress max="1" value=${experiment.progress} aria-label="Progress of the search"></progress> <strong>${percent(experiment.progress)}</strong></dd>
      <dd class="soft">${running ? (trials.running ? `ends ${endOf(experiment, now)}` : "no worker is at it") : `began ${moment(msOf(experiment.createTime))}`}</dd></div>
    <div><dt>Trials</dt><dd><strong>${count(trials.started)}</strong> of ${count(most)}</dd><dd class="soft">${counts.join(", ") || "none has started"}</dd></div>
    <div><dt>Trained</dt><dd><strong>${count(experiment.trainedLength)}</strong> ${plan.unit}</dd>
      <dd class="soft">${percent(experiment.trainedLength / random)} of the ${count(random)} that random search would train</dd></div>
  </dl>`;
}

/** @param {{store: Store, experiment: any}} props */
function BestSoFar({ store, experiment }) {
  const axis = useSignal(store.param("sofar", "length")), logY = useSignal(store.param("sofarlog", false));
  const version = useSignal(store.version), theme = themeOf(useSignal(store.theme)), goal = goalOf(experiment), { plan } = experiment;
  const top = Math.max(...plan.brackets.flatMap((/** @type {any} */ each) => each.rungs.map((/** @type {any} */ rung) => rung.length)));
  const [steps, random] = useMemo(() => {
    const rows = inOrder(store.trials), by = /** @type {any} */ (AXES.some(([name]) => name === axis) ? axis : "length");
    return [bestSoFar(store.trials, rows, goal.smaller, by), by === "length" ? randomSoFar(store.trials, rows, goal.smaller, top) : []];
  }, [version, axis, goal.smaller]);
  const plain = (/** @type {[number, number, number][]} */ of) => of.map(([x, y]) => /** @type {[number, number]} */ ([x, y]));
  /** @type {import("./chart.js").Line[]} */
  const lines = [{ name: "this search", points: plain(steps), colour: theme.accent, steps: true, dots: steps.length < 60 }];
  if (random.length) lines.push({ name: "random search is at least as good as this", points: plain(random), colour: theme.soft, steps: true, dashed: true });
  const unit = axis === "time" ? "when the trial began" : axis === "trials" ? "trials begun" : `${plan.unit} trained, by trials in the order of their beginning`;
  const xText = axis === "time" ? (/** @type {number} */ ms) => moment(ms, true) : number;
  const table = html`<table><thead><tr><th class="number">${unit}</th><th class="number">${goal.metric}</th><th class="number">Trial</th></tr></thead>
    <tbody>${steps.map((/** @type {[number, number, number]} */ [x, y, trial]) => html`<tr><td class="number">${xText(x)}</td><td class="number">${number(y)}</td><td class="number"><a ...${store.link({ view: "trial", trial })}>${trial}</a></td></tr>`)}</tbody></table>`;
  return html`<section><h2>Best so far</h2>
    <p class="row"><span>by</span> ${AXES.map(([name, title]) => html`<button aria-pressed=${axis === name} onClick=${() => { store.param("sofar", "length").value = name; }}>${title}</button>`)}
      <label><input type="checkbox" checked=${logY} onChange=${(/** @type {any} */ e) => { store.param("sofarlog", false).value = e.target.checked; }} /> logarithmic</label></p>
    ${steps.length ? html`<${Chart} lines=${lines} xName=${unit} yName=${goal.metric} logY=${logY} xText=${xText} fromZero=${axis !== "time"} table=${table}
      label=${`The best ${goal.metric} so far, ${number(steps[steps.length - 1][1])}, by ${unit}`}
      caption=${random.length ? "Dashed: the same trials in the same order, each trained to the end. A random search would have seen these by then, and maybe better ones." : `Each step is a trial that was better than all before.`} />`
      : html`<p class="soft">No result yet. ${store.trials.count ? "The first is told when a trial has been validated." : html`Start workers: <code>RUNGWAY_EXPERIMENT=${experiment.experiment} python train.py</code>`}</p>`}
  </section>`;
}

/** @param {{store: Store, experiment: any}} props */
function Waiting({ store, experiment }) {
  const { trials } = store, now = useSignal(store.now), lines = waits(experiment);
  const holders = new Map();
  let restarts = 0, restarted = 0, late = 0;
  for (let row = 0; row < trials.count; row++) {
    if (trials.restarts[row]) { restarts += trials.restarts[row]; restarted++; }
    if (trials.state[row] !== STATE.RUNNING) continue;
    const name = trials.workers[trials.worker[row]] || "without a name";
    holders.set(name, (holders.get(name) || 0) + 1);
    if (trials.leaseDeadlineMs[row] && trials.leaseDeadlineMs[row] < now) late++;
  }
  return html`<p>${holders.size ? `${many(holders.size, "worker")} ${holders.size === 1 ? "holds" : "hold"} ${many(experiment.trials.running, "lease")}.` : "No worker holds a lease."}
      ${late > 0 && html` <span class="warn">${many(late, "lease")} ${late === 1 ? "has" : "have"} expired: the next ask takes ${late === 1 ? "it" : "them"} back.</span>`}
      ${restarts > 0 && ` ${many(restarts, "restart")} since the last progress, of ${many(restarted, "trial")}.`}
      ${" "}<a ...${store.link({ view: "workers" })}>Workers over time</a></p>
    ${lines.length ? html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>` : html`<p class="soft">Nobody waits.</p>`}`;
}

/** @param {{store: Store, experiment: any}} props */
function ImportanceBars({ store, experiment }) {
  const { answer: found, problem } = useImportance(store, experiment.experiment, "");
  if (!found) return html`<p class=${problem ? "error" : "soft"}>${problem || "Reading …"}</p>`;
  if (found.tooEarly) return html`<p class="soft">Too early: ${valueText(found.tooEarly)}.</p>`;
  return html`<div class="scroll"><table class="bars"><tbody>${found.parameters.slice(0, 20).map((/** @type {any} */ each) => html`<tr><th scope="row">${each.name}</th>
      <td><${Bar} share=${each.importance} widest=${200} /></td><td class="number">${number(each.importance, 2)}</td></tr>`)}</tbody></table></div>
    <p class="soft">How much each sets the best tenth apart from all ${many(found.trials, "trial")} that started, also those that were stopped early.
      ${found.parameters.length > 20 && `${found.parameters.length - 20} less important ones are left out.`} <a ...${store.link({ view: "parameters" })}>More</a></p>`;
}
