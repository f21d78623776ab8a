/** All searches of the namespace, the newest first. */

import { ApiError, call } from "./api.js";
import { count, duration, moment, msOf, number, percent, stateWord } from "./format.js";
import { html, useEffect, useSignal, useState } from "./html.js";

/** @typedef {import("./store.js").Store} Store */

const EVERY_MS = 5000;
const MOST_SHOWN = 200;
const MOST_BEST = 40; // of so many the best result is asked for

/** Best results by search, for as long as the page is open. @type {Map<string, {revision: number, at: number, best: any}>} */
const bests = new Map();

/** What each searches for, read once. @type {Map<string, any>} */
const searchers = new Map();

/** All pages of the list, the newest first. @param {AbortSignal} [signal] @param {boolean} [withConfig] @returns {Promise<any[]>} */
export async function listSearches(signal, withConfig = false) {
  const found = [];
  let pageToken = "";
  do {
    const page = await call("ExperimentService/ListExperiments", { pageSize: 1000, pageToken, withConfig }, { signal });
    found.push(...page.experiments);
    pageToken = page.nextPageToken;
  } while (pageToken && found.length < 20_000);
  return found.reverse();
}

/** The list, with the configurations only where some are not known yet. @param {AbortSignal} signal */
async function list(signal) {
  const found = await listSearches(signal);
  if (found.every((each) => searchers.has(each.uid))) return found;
  const whole = await listSearches(signal, true);
  for (const each of whole) searchers.set(each.uid, each.config?.searcher || {});
  return whole;
}

/** Ask for the best result of those that changed, a few at a time. @param {any[]} experiments @param {AbortSignal} signal */
async function readBests(experiments, signal) {
  const stale = experiments.slice(0, MOST_BEST).filter(({ uid, revision, state }) => {
    const known = bests.get(uid);
    return state !== "EXPERIMENT_STATE_UNREADABLE" && (!known || (known.revision !== revision && Date.now() - known.at > 15_000));
  });
  for (const { experiment, uid, revision } of stale.slice(0, 10)) {
    const { trials } = await call("ExperimentService/BestTrials", { experiment, count: 1 }, { signal });
    bests.set(uid, { revision, at: Date.now(), best: trials[0] });
  }
  return stale.length > 0;
}

/** @param {{store: Store}} props */
export function Searches({ store }) {
  const [experiments, setExperiments] = useState(/** @type {any[] | null} */ (null)), [problem, setProblem] = useState("");
  const [, redraw] = useState(0);
  const wanted = useSignal(store.param("find", "")), caller = useSignal(store.caller);
  useEffect(() => {
    const stopping = new AbortController(), { signal } = stopping;
    let timer = 0;
    const read = async () => {
      try {
        if (!document.hidden) {
          const found = await list(signal);
          if (signal.aborted) return;
          setExperiments(found);
          setProblem("");
          store.connected();
          if (await readBests(found, signal)) redraw((/** @type {number} */ n) => n + 1);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        if (error.code === "unauthenticated") return store.failed(error);
        if (error.passes) store.connected(error, EVERY_MS);
        else setProblem(error.message);
      }
      if (!signal.aborted) timer = setTimeout(read, EVERY_MS);
    };
    read();
    return () => { stopping.abort(); clearTimeout(timer); };
  }, [caller]);
  const chosen = (experiments || []).filter((/** @type {any} */ each) => wordsOf(each).includes(wanted.trim().toLowerCase()));
  return html`<div class="page">
    <div class="row"><h1>Searches</h1><span class="spring"></span>
      ${experiments?.length ? html`<label>Find <input type="text" data-filter value=${wanted} onInput=${(/** @type {any} */ e) => { store.param("find", "").value = e.target.value; }} /></label>` : null}
      <a class="button primary" ...${store.link({ view: "new" })}>New search</a></div>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
    ${!experiments ? html`<p class="soft">Reading …</p>` : !experiments.length ? html`<${Nothing} store=${store} />`
      : html`<${Table} store=${store} experiments=${chosen.slice(0, MOST_SHOWN)} />
        <p class="soft">${inAll(chosen.length, experiments.length)}</p>`}
  </div>`;
}

/** Labels as they are typed, in order. @param {any} each @returns {string[]} */
function labelsOf(each) {
  return Object.entries(each.labels || {}).sort().map(([name, value]) => (value ? `${name}=${value}` : name));
}

/** What a search is found by: its name, its owner and its labels. @param {any} each */
function wordsOf(each) {
  return [each.experiment, each.owner || "", ...labelsOf(each)].join(" ").toLowerCase();
}

/** @param {number} chosen @param {number} all */
function inAll(chosen, all) {
  if (chosen > MOST_SHOWN) return `Shown: the newest ${MOST_SHOWN} of ${count(chosen)}. Type a part of a name, an owner or a label to find others.`;
  return chosen === all ? `Shown: all ${count(all)}.`.replace("all 1.", "the only one.") : `Shown: ${count(chosen)} of ${count(all)}.`;
}

/** @param {{store: Store}} props */
function Nothing({ store }) {
  return html`<div class="empty"><h2>No search yet</h2>
    <p><a ...${store.link({ view: "new" })}>Paste or drop a configuration here</a> to see what it would do, and create it. Or type</p>
    <p><code>rungway create search.yaml</code></p>
    <p>A search with real workers on this machine: <code>rungway demo</code></p></div>`;
}

/** @param {{store: Store, experiments: any[]}} props */
function Table({ store, experiments }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Searches"><table class="wide">
    <thead><tr><th>Search</th><th>State</th><th>Progress</th><th>Best so far</th><th class="number">Trials</th>
      <th class="number">Leases</th><th>Created</th><th>Ends</th></tr></thead>
    <tbody>${experiments.map((each) => html`<${Row} key=${each.uid || each.experiment} store=${store} each=${each} />`)}</tbody>
  </table></div>`;
}

/** @param {{store: Store, each: any}} props */
function Row({ store, each }) {
  const state = stateWord(each), link = store.link({ experiment: each.experiment, view: "ladder" });
  if (state === "unreadable") {
    return html`<tr><td>${each.experiment}</td><td class="state unreadable">unreadable</td><td colspan="6" class="wrap">${(each.notes || []).join(" ")}</td></tr>`;
  }
  const best = bests.get(each.uid)?.best, searcher = searchers.get(each.uid) || {};
  return html`<tr class="link" onClick=${(/** @type {any} */ event) => { if (!event.target.closest("a")) store.go({ experiment: each.experiment, view: "ladder" }); }}>
    <td><a ...${link}>${each.experiment}</a>${[...(each.owner ? [each.owner] : []), ...labelsOf(each)].map((said) => html` <span class="soft">${said}</span>`)}</td>
    <td class=${`state ${state}`}>${state}</td>
    <td><progress max="1" value=${each.progress} aria-label=${`Progress of ${each.experiment}`}></progress> ${percent(each.progress)}</td>
    <td>${best ? html`${searcher.metric} ${number(best.bestMetric)} <span class="soft">trial ${best.trial}</span>` : html`<span class="soft">–</span>`}</td>
    <td class="number">${count(each.trials.started)}${searcher.max_trials ? html` <span class="soft">of ${count(Number(searcher.max_trials))}</span>` : ""}</td>
    <td class="number">${count(each.trials.running)}</td>
    <td>${moment(msOf(each.createTime))}</td>
    <td>${state === "running" ? endOf(each, store.now.peek()) : ""}</td></tr>`;
}

/** When a search will end if it goes on as so far. @param {any} experiment @param {number} now */
export function endOf(experiment, now) {
  if (!experiment.trials.running) return "no worker is at it";
  const began = msOf(experiment.createTime), { progress } = experiment;
  if (!(progress > 0.02) || now - began < 5000) return "too early to say";
  const left = ((now - began) / progress) * (1 - progress);
  return `about ${moment(now + left)} (in ${duration(left / 1000)})`;
}
