/** The page: where everything begins. Sign-in, frame, views, keys. */

import { FilterBar } from "./filterbar.js";
import { Help } from "./help.js";
import { html, render, useEffect, useLayoutEffect, useErrorBoundary, useSignal, useState } from "./html.js";
import { SignIn } from "./session.js";
import { Store } from "./store.js";
import { TopBar } from "./topbar.js";

/** What is loaded when it is first seen. @type {Record<string, () => Promise<any>>} */
const VIEWS = {
  searches: () => import("./searches.js").then((module) => module.Searches),
  new: () => import("./new.js").then((module) => module.NewSearch),
  ladder: () => import("./ladder.js").then((module) => module.Ladder),
  overview: () => import("./overview.js").then((module) => module.Overview),
  curves: () => import("./curves.js").then((module) => module.Curves),
  parameters: () => import("./parameters.js").then((module) => module.Parameters),
  trials: () => import("./trials.js").then((module) => module.TrialsTable),
  trial: () => import("./trial.js").then((module) => module.Trial),
  workers: () => import("./workers.js").then((module) => module.Workers),
};
/** The views of a search, with their titles; keys 1 to 7. */
const TABS = [["ladder", "Ladder"], ["overview", "Overview"], ["curves", "Curves"], ["parameters", "Parameters"], ["trials", "Trials"], ["trial", "Trial"], ["workers", "Workers"]];

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
    : route.experiment ? html`<${Search} />` : html`<${Loaded} name=${route.view} />`;
  return html`<a class="skip" href="#content" onClick=${skip}>To the content</a>
    <${TopBar} store=${store} onHelp=${() => setHelp(true)} />
    <main id="content" tabindex="-1"><${Guarded} key=${`${route.experiment}/${route.view}`} name=${route.view}>${body}<//></main>
    <${Notice} />
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}`;
}

/** The views that are here. @type {Map<string, any>} */
const loaded = new Map();

/** A view, loaded first if it is not here yet. @param {{name: string}} props */
function Loaded({ name }) {
  const [, redraw] = useState(0), [failed, setFailed] = useState(false), view = loaded.get(name);
  useEffect(() => {
    if (!view) VIEWS[name]().then((found) => { loaded.set(name, found); redraw(1); }, () => setFailed(true));
  }, [name]);
  if (view) return html`<${view} store=${store} />`;
  if (!failed) return null;
  return html`<div class="empty" role="alert"><p>This part of the page could not be loaded: the service is away, or was upgraded just now.</p>
    <button onClick=${() => location.reload()}>Load the page again</button></div>`;
}

/** Load the other views while there is nothing else to do, so that they are here when the service is away. */
async function loadTheOthers() {
  for (const [name, load] of Object.entries(VIEWS)) {
    if (!loaded.has(name)) await load().then((found) => loaded.set(name, found), () => undefined);
  }
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
  const found = TABS.find(([name]) => name === route.view);
  const view = !found ? html`<p class="empty">There is no view “${route.view}”.</p>`
    : experiment ? html`<${Loaded} key=${route.view} name=${route.view} />`
    : problem ? html`<${Missing} problem=${problem} />` : html`<p class="empty">Reading the search …</p>`;
  return html`<h1 class="visually-hidden">${route.experiment}: ${found?.[1] || route.view}</h1>
    <nav class="tabs" aria-label="Views">
      ${(experiment || !problem) && TABS.map(([name, title], i) => html`<a ...${store.link({ view: name })} aria-current=${name === route.view ? "page" : null}
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
  const tab = TABS[Number(event.key) - 1];
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
setTimeout(loadTheOthers, 2000);
