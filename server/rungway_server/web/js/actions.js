/** Pause, resume, stop, more trials: what will happen is said in words first. Only for callers with the role admin. */

import { ApiError, call } from "./api.js";
import { Confirm } from "./dialog.js";
import { count, goalOf, many, number, stateWord } from "./format.js";
import { html, useEffect, useId, useState } from "./html.js";

/** @typedef {import("./store.js").Store} Store */

/** @param {{store: Store, experiment: any}} props */
export function Actions({ store, experiment }) {
  const [open, setOpen] = useState("");
  const state = stateWord(experiment), over = state === "done" || state === "stopped";
  const close = () => setOpen("");
  return html`<span class="actions">
    ${state === "running" && html`<button onClick=${() => setOpen("pause")}>Pause</button>`}
    ${(state === "paused" || state === "failing") && html`<button onClick=${() => setOpen("resume")}>Resume</button>`}
    ${!over && html`<button onClick=${() => setOpen("stop")}>Stop</button>`}
    ${state !== "stopped" && html`<button onClick=${() => setOpen("more")}>More trials</button>`}
    ${open === "more" ? html`<${MoreTrials} store=${store} experiment=${experiment} onClose=${close} />`
      : open && html`<${Change} store=${store} experiment=${experiment} what=${open} onClose=${close} />`}
  </span>`;
}

/** What will happen. @param {string} what @param {any} experiment @param {Store} store */
function consequences(what, experiment, store) {
  const { running = 0, paused = 0, queued = 0 } = experiment.trials || {};
  if (what === "pause") return [
    "Nothing new is handed out until you resume.",
    running ? `${many(running, "running trial")} ${running === 1 ? "goes" : "go"} on to ${running === 1 ? "its" : "their"} next rung and ${running === 1 ? "pauses" : "pause"} there.` : "No trial is running now.",
    "Workers wait. Nothing is lost.",
  ];
  if (what === "resume") return ["Workers that wait get work again, within seconds.", queued + paused ? `${many(queued + paused, "trial")} ${queued + paused === 1 ? "waits" : "wait"} to go on or to be promoted.` : ""];
  return [
    "This ends the search for good; it cannot be resumed. A pause can.",
    running ? `${many(running, "running trial")} ${running === 1 ? "is" : "are"} told to stop at the next report or heartbeat.` : "No trial is running now.",
    "Everything that was reported is kept.",
    paused ? `${many(paused, "paused trial")} will not be promoted any more.` : "",
    best(store),
  ];
}

/** @param {Store} store */
function best(store) {
  const { trials } = store, goal = goalOf(store.experiment.peek());
  let found = -1;
  for (let row = 0; row < trials.count; row++) {
    const metric = trials.bestMetric[row];
    if (Number.isNaN(metric) || trials.state[row] === 7) continue;
    if (found < 0 || (goal.smaller ? metric < trials.bestMetric[found] : metric > trials.bestMetric[found])) found = row;
  }
  return found < 0 ? "There is no result yet." : `The best so far stays: trial ${trials.trial[found]}, ${goal.metric} ${number(trials.bestMetric[found])}.`;
}

const VERBS = /** @type {Record<string, string>} */ ({ pause: "Pause", resume: "Resume", stop: "Stop" });

/** @param {{store: Store, experiment: any, what: string, onClose: () => void}} props */
function Change({ store, experiment, what, onClose }) {
  const [busy, setBusy] = useState(false), [problem, setProblem] = useState("");
  const verb = VERBS[what];
  const act = async () => {
    setBusy(true);
    try {
      const answer = await call(`ExperimentService/${verb}Experiment`, { experiment: experiment.experiment });
      store.seen(answer.experiment);
      store.notice.value = `${experiment.experiment} is ${stateWord(answer.experiment)}.`;
      onClose();
    } catch (error) {
      setProblem(said(error));
      setBusy(false);
    }
  };
  return html`<${Confirm} title=${`${verb} ${experiment.experiment}?`} yes=${`${verb} it`} danger=${what === "stop"} busy=${busy} problem=${problem} onYes=${act} onClose=${onClose}>
    ${consequences(what, experiment, store).filter(Boolean).map((text) => html`<p>${text}</p>`)}
  <//>`;
}

/** @param {unknown} error */
function said(error) {
  if (!(error instanceof ApiError)) throw error;
  return error.violations.length ? error.violations.map((each) => `${each.field}: ${each.description}`).join("; ") : error.message;
}

/** @param {{store: Store, experiment: any, onClose: () => void}} props */
function MoreTrials({ store, experiment, onClose }) {
  const now = Number(experiment.config?.searcher?.max_trials ?? experiment.plan?.brackets.reduce((/** @type {number} */ sum, /** @type {any} */ each) => sum + each.maxTrials, 0));
  const started = experiment.trials?.started || 0, id = useId();
  const [wanted, setWanted] = useState(String(2 * now)), [problem, setProblem] = useState(""), [busy, setBusy] = useState(false);
  const [cost, setCost] = useState("");
  const n = Number(wanted), fit = /^\d+$/.test(wanted) && n >= Math.max(1, started);
  useEffect(() => {
    if (!fit) return undefined;
    const stopping = new AbortController();
    const timer = setTimeout(async () => {
      try { setCost(await costOf(experiment, n, stopping.signal)); } catch (error) { if (!stopping.signal.aborted) setCost(""); }
    }, 250);
    return () => { clearTimeout(timer); stopping.abort(); };
  }, [wanted]);
  const act = async () => {
    setBusy(true);
    try {
      const answer = await call("ExperimentService/UpdateExperiment", { experiment: experiment.experiment, maxTrials: n });
      store.seen(answer.experiment);
      store.notice.value = `${experiment.experiment} may start ${many(n, "trial")}.`;
      onClose();
    } catch (error) {
      setProblem(said(error));
      setBusy(false);
    }
  };
  return html`<${Confirm} title="How many trials in all?" yes="Change it" busy=${busy || !fit || n === now} problem=${problem} onYes=${act} onClose=${onClose}>
    <p>${many(started, "trial")} of ${count(now)} ${started === 1 ? "has" : "have"} started.</p>
    <label for=${id}>Trials in all</label>
    <input id=${id} type="number" min=${Math.max(1, started)} step="1" value=${wanted} onInput=${(/** @type {any} */ e) => setWanted(e.target.value)} />
    <p>${!fit ? `Wanted a whole number from ${count(Math.max(1, started))} on.` : difference(n, now, experiment)} ${fit && cost}</p>
  <//>`;
}

/** @param {number} n @param {number} now @param {any} experiment */
function difference(n, now, experiment) {
  if (n === now) return "That is what it is now.";
  const goesOn = stateWord(experiment) === "done" ? " The search is done, and goes on." : "";
  return n > now ? `${many(n - now, "more trial")} will start.${goesOn}` : `${many(now - n, "trial")} less will start.`;
}

/** What it will train in all, by the service's own preview. @param {any} experiment @param {number} n @param {AbortSignal} signal */
async function costOf(experiment, n, signal) {
  const config = { ...experiment.config, searcher: { ...experiment.config.searcher, max_trials: n } };
  const { preview } = await call("ExperimentService/PreviewSearch", { config }, { signal });
  return `A search of this size trains ${count(preview.totalLength)} ${preview.plan.unit} in all, if every trial is used.`;
}
