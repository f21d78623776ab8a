/** The bar above everything: which search, how it is, whether the page is up to date, and what may be done to it. */

import { Actions } from "./actions.js";
import { many, percent, stateWord } from "./format.js";
import { html, useEffect, useSignal, useState } from "./html.js";
import { listSearches } from "./searches.js";
import { Session } from "./session.js";

/** @typedef {import("./store.js").Store} Store */

/** @param {{store: Store, onHelp: () => void}} props */
export function TopBar({ store, onHelp }) {
  const route = useSignal(store.route), caller = useSignal(store.caller), experiment = useSignal(store.experiment), choice = useSignal(store.themeChoice);
  const themes = /** @type {const} */ (["auto", "light", "dark"]);
  const next = themes[(themes.indexOf(choice) + 1) % 3];
  return html`<header class="topbar">
    <a class="brand" ...${store.link({ view: "searches", experiment: "" })}>Rungway</a>
    ${caller && html`<${Namespace} store=${store} caller=${caller} />`}
    ${caller && route.experiment && html`<${Picker} store=${store} experiment=${route.experiment} />`}
    ${experiment && html`<span class=${`state ${stateWord(experiment)}`}>${stateWord(experiment)}</span>
      <span class="progress-text">${percent(experiment.progress || 0)}</span>`}
    ${caller && html`<${Live} store=${store} />`}
    <span class="spring"></span>
    ${experiment && store.may("admin") && html`<${Actions} store=${store} experiment=${experiment} />`}
    <button class="quiet" onClick=${() => { store.themeChoice.value = next; }} aria-label=${`Theme: ${choice}; change to ${next}`} title=${`Theme: ${choice}`}>${{ auto: "◐", light: "☀", dark: "☾" }[/** @type {"auto" | "light" | "dark"} */ (choice)]}</button>
    <button class="quiet" onClick=${onHelp} aria-label="Keys and filters" title="Keys and filters (?)">?</button>
    <${Session} store=${store} caller=${caller} />
  </header>`;
}

/** The namespace; whoever may see all of them can go to another one. @param {{store: Store, caller: any}} props */
function Namespace({ store, caller }) {
  const [editing, setEditing] = useState(false);
  if (!caller.everyNamespace && caller.tokens) return html`<span class="soft" title="Namespace">${caller.namespace}</span>`;
  if (!editing) return html`<button class="quiet soft" title="Namespace: change it" onClick=${() => setEditing(true)}>${caller.namespace}</button>`;
  const go = (/** @type {any} */ event) => {
    event.preventDefault();
    const name = event.target.elements.ns.value.trim();
    setEditing(false);
    if (store.route.peek().experiment) store.go({ view: "searches", experiment: "" });
    store.namespace.value = name === "default" ? "" : name;
  };
  return html`<form onSubmit=${go}><input name="ns" aria-label="Namespace" value=${caller.namespace} size="12" pattern="[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?"
    ref=${(/** @type {any} */ each) => each?.focus()} onBlur=${() => setEditing(false)} /></form>`;
}

/** Goes to another search. @param {{store: Store, experiment: string}} props */
function Picker({ store, experiment }) {
  const [names, setNames] = useState([experiment]);
  useEffect(() => setNames([experiment]), [experiment]);
  const load = async () => {
    const found = await listSearches().catch(() => null);
    if (found) setNames([...new Set([experiment, ...found.map((each) => each.experiment)])]);
  };
  return html`<select aria-label="Search" value=${experiment} onFocus=${load} onMouseDown=${load}
    onChange=${(/** @type {any} */ event) => store.go({ experiment: event.target.value })}>
    ${names.map((/** @type {string} */ name) => html`<option value=${name}>${name}</option>`)}</select>`;
}

/** Whether what is shown is up to date. @param {{store: Store}} props */
function Live({ store }) {
  const live = useSignal(store.live), pending = useSignal(store.pending), retryAt = useSignal(store.retryAt), tick = useSignal(store.tick);
  const { experiment } = useSignal(store.route), problem = useSignal(store.problem);
  if (live === "away") {
    const seconds = Math.max(1, Math.ceil((retryAt - tick) / 1000));
    return html`<span class="live away" role="status"><span class="dot"></span>server away, trying again in ${seconds} s</span>`;
  }
  if (problem && experiment) return html`<span class="live away" role="status"><span class="dot"></span>no news any more</span>`;
  if (!experiment) return null;
  const news = pending.results ? many(pending.results, "new result") : pending.trials ? "changes" : "";
  return html`<button class=${`live ${live}`} aria-pressed=${live === "frozen"} onClick=${() => store.freeze()}
      title=${live === "frozen" ? "Go on (f)" : "Hold the picture still (f)"}><span class="dot"></span>${live === "frozen" ? "frozen" : "live"}</button>
    ${live === "frozen" && news && html`<button class="chip" onClick=${() => store.showNew()}>${news} · show</button>`}`;
}
