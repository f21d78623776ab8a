/** One trial: what it was, how it went, and why it was stopped or promoted. */

import { ApiError, call } from "./api.js";
import { Chart } from "./chart.js";
import { count, goalOf, lengthText, moment, msOf, number, word } from "./format.js";
import { asked, Further, titled } from "./further.js";
import { html, useEffect, useRef, useSignal, useState } from "./html.js";
import { QueueAgain } from "./queue.js";
import { bestSoFar, inOrder } from "./sofar.js";
import { themeOf } from "./theme.js";
import { copyText, yaml } from "./tools.js";
import { Why } from "./why.js";

/** @typedef {import("./store.js").Store} Store */

/** @param {{store: Store}} props */
export function Trial({ store }) {
  const route = useSignal(store.route), experiment = useSignal(store.experiment);
  useSignal(store.version);
  const chosen = useRef(-1);
  // Chosen once: a new best result does not change what one reads.
  if (route.trial >= 0) chosen.current = route.trial;
  else if (chosen.current < 0) chosen.current = usualTrial(store, experiment);
  const trial = chosen.current;
  if (trial < 0) return html`<p class="empty">No trial has started. Start workers: <code>RUNGWAY_EXPERIMENT=${experiment.experiment} python train.py</code></p>`;
  return html`<${Card} key=${trial} store=${store} experiment=${experiment} trial=${trial} />`;
}

/** The trial to show where none is named: the first selected, the best, or the first; -1 where there is none. @param {Store} store @param {any} experiment */
function usualTrial({ trials, selected }, experiment) {
  const best = bestSoFar(trials, inOrder(trials), goalOf(experiment).smaller, "trials").at(-1);
  return [...selected.peek()][0] ?? best?.[2] ?? (trials.count ? trials.trial[0] : -1);
}

/** The trial without its curve: a page of one. @param {string} experiment @param {number} trial @param {AbortSignal} signal */
async function readTrial(experiment, trial, signal) {
  const page = await call("ExperimentService/ListTrials", { experiment, pageSize: 1, pageToken: String(trial) }, { signal });
  const found = page.trials[0];
  if (found?.trial !== trial) throw new ApiError({ code: "not_found", message: `There is no trial ${trial} in this search.` });
  return found;
}

/** @param {{store: Store, experiment: any, trial: number}} props */
function Card({ store, experiment, trial }) {
  const [found, setFound] = useState(/** @type {any} */ (null)), [problem, setProblem] = useState(/** @type {ApiError | null} */ (null)), [queueing, setQueueing] = useState(false);
  const { trials } = store, row = trials.rowOf(trial), name = experiment.experiment, selected = useSignal(store.selected), which = useSignal(store.param("curve.metric", ""));
  // Read anew whenever its row changes.
  const key = row < 0 ? "" : [trials.state[row], trials.length[row], trials.rung[row], trials.restarts[row], trials.worker[row]].join(" ");
  useEffect(() => {
    const stopping = new AbortController(), { signal } = stopping;
    Promise.all([
      readTrial(name, trial, signal),
      call("ViewService/GetCurves", { experiment: name, trials: [trial], ...asked(which) }, { signal }),
      call("ExperimentService/ExplainTrial", { experiment: name, trial, pageSize: 1000 }, { signal }),
    ]).then(([each, { curves, metrics, hasCost }, { events, nextPageToken }]) => { setFound({ ...each, points: curves[0], which, metrics, hasCost, events, more: nextPageToken }); setProblem(null); })
      .catch((error) => { if (error instanceof ApiError) setProblem(error); else if (!signal.aborted) throw error; });
    return () => stopping.abort();
  }, [key, which]);
  if (!found) return problem ? html`<div class="empty" role="alert"><h2>Trial ${trial}</h2><p>${problem.message}</p></div>` : html`<p class="empty">Reading trial ${trial} …</p>`;
  const copy = async () => { store.notice.value = (await copyText(`${yaml(found.hparams || {})}\n`)) ? "The configuration is copied, as YAML." : "The browser does not let a page copy: mark the text instead."; };
  return html`<div class="row"><h2 class="title">Trial ${trial}</h2><span class=${`is ${word(found.state, "TRIAL_STATE_")}`}>${word(found.state, "TRIAL_STATE_")}</span><span class="spring"></span>
      ${trial > 0 && html`<a ...${store.link({ trial: trial - 1 })} rel="prev">← trial ${trial - 1}</a>`}
      ${trials.rowOf(trial + 1) >= 0 && html`<a ...${store.link({ trial: trial + 1 })} rel="next">trial ${trial + 1} →</a>`}
      <label><input type="checkbox" checked=${selected.has(trial)} onChange=${() => store.toggle(trial)} /> compare</label></div>
    ${problem && html`<p class="error" role="alert">${problem.message} What you see is the last that was known.</p>`}
    <${Facts} store=${store} experiment=${experiment} trial=${found} />
    <${Curve} store=${store} experiment=${experiment} trial=${found} />
    <div class="halves">
      <section><h3>Why</h3><${Why} store=${store} experiment=${experiment} trial=${found} /></section>
      <section><h3>Configuration</h3>
        <pre class="card" tabindex="0" aria-label="Configuration">${yaml(found.hparams || {})}</pre>
        <div class="row"><button onClick=${copy}>Copy as YAML</button>
          ${store.may("admin") && html`<button onClick=${() => setQueueing(true)}>Queue this again with …</button>`}</div>
      </section>
    </div>
    ${queueing && html`<${QueueAgain} store=${store} experiment=${name} hparams=${found.hparams || {}} onClose=${() => setQueueing(false)} />`}`;
}

/** @param {{store: Store, experiment: any, trial: any}} props */
function Facts({ store, experiment, trial }) {
  const { unit } = experiment.plan, goal = goalOf(experiment);
  const facts = /** @type {[string, any][]} */ ([
    [`Best ${goal.metric}`, trial.bestMetric === undefined ? "no result yet" : html`<strong>${number(trial.bestMetric)}</strong> at ${lengthText(trial.bestLength, unit)}`],
    [`Last ${goal.metric}`, trial.metric === undefined ? "–" : number(trial.metric)],
    ["Trained", `${lengthText(trial.length, unit)}, bracket ${trial.bracket}, rung ${trial.rung}`],
    ["Worker", trial.worker || "–"],
    ["Began", moment(msOf(trial.createTime), true)],
    ["Checkpoint", trial.checkpoint ? html`<code class="wrap">${trial.checkpoint}</code> at ${lengthText(trial.checkpointLength, unit)}` : "none"],
  ]);
  if (trial.bestCheckpoint && trial.bestCheckpoint !== trial.checkpoint) facts.push(["Best checkpoint", html`<code class="wrap">${trial.bestCheckpoint}</code> at ${lengthText(trial.bestLength, unit)}`]);
  if (trial.restarts) facts.push(["Restarts", `${count(trial.restarts)} since the last progress`]);
  if (trial.outcome && trial.outcome !== "OUTCOME_UNSPECIFIED") facts.push(["Ended as", word(trial.outcome, "OUTCOME_")]);
  if (trial.parent !== undefined) facts.push(["Clone of", html`<a ...${store.link({ view: "trial", trial: trial.parent })}>trial ${trial.parent}</a>`]);
  return html`<dl class="facts">${facts.map(([term, text]) => html`<div><dt>${term}</dt><dd>${text}</dd></div>`)}</dl>
    ${trial.message && html`<div class="card"><h3>What its worker said of the failure</h3><pre tabindex="0" aria-label="Message of the worker" class="message">${trial.message}</pre></div>`}`;
}

/** @param {{store: Store, experiment: any, trial: any}} props */
function Curve({ store, experiment, trial }) {
  const theme = themeOf(useSignal(store.theme)), logY = useSignal(store.param("curvelog", false)), { points } = trial, goal = goalOf(experiment), { unit } = experiment.plan;
  const shown = titled(trial.which, goal.metric);
  const choice = html`<${Further} which=${trial.which} metric=${goal.metric} metrics=${trial.metrics || []} hasCost=${Boolean(trial.hasCost)} choose=${(/** @type {string} */ which) => { store.param("curve.metric", "").value = which; }} />`;
  if (!points?.length.length) return html`<p class="soft">${trial.which ? `No report of this trial has ${shown}. ` : "No result yet, so there is no curve. "}${choice}</p>`;
  const rungs = experiment.plan.brackets[trial.bracket]?.rungs || [];
  const lines = [{ name: shown, colour: theme.accent, dots: points.length.length < 80, points: points.length.map((/** @type {number} */ length, /** @type {number} */ i) => [length, Number(points.metric[i])]) }];
  const spots = (trial.which ? [] : trial.events).filter((/** @type {any} */ event) => event.explanation?.cutoff !== undefined && rungs[event.explanation.rung]).map((/** @type {any} */ event) => ({
    x: rungs[event.explanation.rung].length, y: Number(event.explanation.cutoff), colour: theme.brackets[0], shape: /** @type {const} */ ("cut"), title: `cut-off then: ${number(event.explanation.cutoff)}`,
  }));
  const lost = points.metric.filter((/** @type {any} */ each) => !Number.isFinite(Number(each))).length;
  const table = html`<table><thead><tr><th class="number">${unit}</th><th class="number">${shown}</th></tr></thead><tbody>${points.length.map((/** @type {number} */ length, /** @type {number} */ i) => html`<tr><td class="number">${count(length)}</td><td class="number">${number(points.metric[i])}</td></tr>`)}</tbody></table>`;
  return html`<${Chart} lines=${lines} spots=${spots} marks=${rungs.map((/** @type {any} */ rung) => ({ at: rung.length, text: count(rung.length) }))} xName=${unit} yName=${shown} fromZero=${true} logY=${logY} table=${table}
    label=${`Learning curve of trial ${trial.trial}: ${shown} by ${unit}`}
    caption=${html`Vertical lines are the rungs of its bracket${trial.which ? "" : "; bars across them the cut-off at the moment of each decision"}.
      ${lost > 0 && ` ${count(lost)} of ${count(points.length.length)} results are not numbers and are not drawn.`}`}
    controls=${html`${choice} <label><input type="checkbox" checked=${logY} onChange=${(/** @type {any} */ e) => { store.param("curvelog", false).value = e.target.checked; }} /> logarithmic</label>`} />`;
}
