/** The page: where everything begins. Sign-in, frame, views, keys. */

import { Curves } from "./curves.js";
import { Front } from "./front.js";
import { objectivesOf } from "./front_model.js";
import { FilterBar } from "./filterbar.js";
import { Help } from "./help.js";
import { html, render, useEffect, useLayoutEffect, useErrorBoundary, useSignal, useState } from "./html.js";
import { Ladder } from "./ladder.js";
import { NewSearch } from "./new.js";
import { Overview } from "./overview.js";
import { Parameters } from "./parameters.js";
import { Searches } from "./searches.js";
import { SignIn } from "./session.js";
import { Store } from "./store.js";
import { TopBar } from "./topbar.js";
import { Trial } from "./trial.js";
import { TrialsTable } from "./trials.js";
import { Workers } from "./workers.js";

/** @type {Record<string, any>} */
const VIEWS = {
  searches: Searches, new: NewSearch, ladder: Ladder, overview: Overview, curves: Curves, parameters: Parameters,
  trials: TrialsTable, trial: Trial, workers: Workers, front: Front,
};
/** The views of a search, with their titles; keys 1 to 7, and 8 where there are several objectives: the last one. */
const TABS = [["ladder", "Ladder"], ["overview", "Overview"], ["curves", "Curves"], ["parameters", "Parameters"], ["trials", "Trials"], ["trial", "Trial"], ["workers", "Workers"], ["front", "Front"]];
const tabsOf = (/** @type {any} */ experiment) => (objectivesOf(experiment).length > 1 ? TABS : TABS.slice(0, -1));

const store = new Store();

/** A view that fails says so; the others go on. @param {{name: string, children: any}} props */
function Guarded({ name, children }) {
  const [error, reset] = useErrorBoundary((/** @type {unknown} */ problem) => console.error(`view ${name} failed`, problem));
  if (!error) return children;
  return html`<div class="empty" role="alert"><h2>This view failed</h2>
    <p>The others go on. Please report it with this text: <code>${name}: ${String(error)}</code></p>
    <button onClick=${reset}>Try again</button></div>`;
}

function App() {
  const route = useSignal(store.route), signedOut = useSignal(store.signedOut), caller = useSignal(store.caller);
  const [help, setHelp] = useState(false);
  useEffect(() => { document.title = route.experiment ? `${route.experiment} · Rungway` : "Rungway"; }, [route.experiment]);
  useLayoutEffect(() => { // as soon as there is something to see
    const onKey = (/** @type {KeyboardEvent} */ event) => key(event, setHelp);
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const body = signedOut ? html`<${SignIn} store=${store} />` : !caller ? html`<${Meeting} />`
    : route.experiment ? html`<${Search} />` : html`<${VIEWS[route.view]} store=${store} />`;
  return html`<a class="skip" href="#content" onClick=${skip}>To the content</a>
    <${TopBar} store=${store} onHelp=${() => setHelp(true)} />
    <main id="content" tabindex="-1"><${Guarded} key=${`${route.experiment}/${route.view}`} name=${route.view}>${body}<//></main>
    <${Notice} />
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}`;
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault(); // the part behind "#" is ours
  document.getElementById("content")?.focus();
}

/** Before the service has said who the caller is. */
function Meeting() {
  const problem = useSignal(store.problem), connection = useSignal(store.connection);
  if (problem) return html`<div class="empty" role="alert"><h1>The service refuses</h1><p>${problem.message}</p></div>`;
  return html`<div class="empty"><h1>Rungway</h1><p>${connection === "away" ? "The service does not answer. The page tries again by itself." : "Asking the service …"}</p></div>`;
}

/** One search: its tabs and the view. */
function Search() {
  const route = useSignal(store.route), experiment = useSignal(store.experiment), problem = useSignal(store.problem);
  // On a narrow screen the tabs scroll.
  useEffect(() => document.querySelector(".tabs a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [route.view]);
  const tabs = tabsOf(experiment), found = TABS.find(([name]) => name === route.view);
  const view = !found ? html`<p class="empty">There is no view “${route.view}”.</p>`
    : experiment ? html`<${VIEWS[route.view]} key=${route.view} store=${store} />`
    : problem ? html`<${Missing} problem=${problem} />` : html`<p class="empty">Reading the search …</p>`;
  return html`<h1 class="visually-hidden">${route.experiment}: ${found?.[1] || route.view}</h1>
    <nav class="tabs" aria-label="Views">
      ${(experiment || !problem) && tabs.map(([name, title], i) => html`<a ...${store.link({ view: name })} aria-current=${name === route.view ? "page" : null}
        title=${`Key ${i + 1}`}>${title}</a>`)}
    </nav>
    ${experiment && problem && html`<p class="banner bad" role="alert">${problem.message} What you see is the last that was known.</p>`}
    ${experiment && (experiment.warnings || []).map((/** @type {string} */ text) => html`<p class="banner warn">${text}</p>`)}
    ${experiment && html`<${FilterBar} store=${store} />`}
    <div class="view" id="view">${view}</div>`;
}

/** @param {{problem: import("./api.js").ApiError}} props */
function Missing({ problem }) {
  return html`<div class="empty" role="alert"><h1>${problem.code === "not_found" ? "There is no such search" : "This search cannot be shown"}</h1>
    <p>${problem.message}</p>
    <p><a ...${store.link({ view: "searches", experiment: "" })}>All searches</a></p></div>`;
}

/** What just happened, also said to screen readers. */
function Notice() {
  const text = useSignal(store.notice);
  useEffect(() => {
    if (!text) return undefined;
    const timer = setTimeout(() => { store.notice.value = ""; }, 8000);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<div class="notice" role="status">${text && html`<p>${text}</p>`}</div>`;
}

/** Keys that work everywhere but where text is typed. @param {KeyboardEvent} event @param {(open: boolean) => void} setHelp */
function key(event, setHelp) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  const { experiment } = store.route.peek();
  const tab = tabsOf(store.experiment.peek())[Number(event.key) - 1];
  if (event.key === "?") setHelp(true);
  else if (event.key === "/") /** @type {HTMLElement | null} */ (document.querySelector("[data-filter]"))?.focus();
  else if (event.key === "f" && experiment) store.freeze();
  else if (tab && experiment) store.go({ view: tab[0] });
  else return;
  event.preventDefault();
}

/** Light or dark, as the system or the user says. */
function followTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = () => { store.systemDark.value = system.matches; };
  read();
  system.addEventListener("change", read);
  try { store.themeChoice.value = /** @type {any} */ (localStorage.getItem("rungway-theme")) || "auto"; } catch { /* no storage */ }
  store.themeChoice.subscribe((/** @type {string} */ choice) => {
    document.documentElement.dataset.theme = choice;
    try { localStorage.setItem("rungway-theme", choice); } catch { /* no storage */ }
  });
}

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
followTheme();
store.start();
root.replaceChildren();
render(html`<${App} />`, root);
