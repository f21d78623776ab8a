/** A new search: paste or drop a configuration, see at once what it would do, correct it, create it. */

import { ApiError, call } from "./api.js";
import { Editor } from "./editor.js";
import { html, useEffect, useRef, useSignal, useState } from "./html.js";
import { PreviewTable, Staircase } from "./staircase.js";
import { randomId } from "./tools.js";

/** @typedef {import("./store.js").Store} Store */

const EXAMPLE = `name: digits
hyperparameters:
  lr: {type: log, base: 10, minval: -4, maxval: -1}
  layers: {type: int, minval: 1, maxval: 6}
  optimizer: {type: categorical, vals: [sgd, adam]}
searcher:
  name: adaptive_asha
  metric: error
  max_trials: 200
  max_length: {epochs: 27}
`;
const WAIT_MS = 350;
const LARGEST = 1 << 20;

/** The file that is being written, kept while the user looks elsewhere. */
const draft = { text: "", name: "" };

/** @param {{store: Store}} props */
export function NewSearch({ store }) {
  const [text, setText] = useState(draft.text), [name, setName] = useState(draft.name), named = useRef(Boolean(draft.name));
  const [found, setFound] = useState(/** @type {{config?: any, preview?: any, errors: {field: string, description: string}[], state: string}} */ ({ errors: [], state: "empty" }));
  const [problem, setProblem] = useState(""), [busy, setBusy] = useState(false);
  const request = useRef(randomId());
  const admin = useSignal(store.caller)?.role === "admin";
  draft.text = text;
  draft.name = named.current ? name : "";
  useEffect(() => {
    if (!text.trim()) { setFound({ errors: [], state: "empty" }); return undefined; }
    const stopping = new AbortController();
    setFound((/** @type {any} */ old) => ({ ...old, state: "reading" }));
    request.current = randomId();
    const timer = setTimeout(async () => {
      const answer = await read(text, stopping.signal);
      if (stopping.signal.aborted) return;
      setFound(answer);
      if (!named.current && typeof answer.config?.name === "string") setName(idOf(answer.config.name));
    }, WAIT_MS);
    return () => { clearTimeout(timer); stopping.abort(); };
  }, [text]);
  const create = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      await call("ExperimentService/CreateExperiment", { experiment: name, requestId: request.current, config: found.config });
      draft.text = draft.name = "";
      store.notice.value = `${name} is created. Its workers may begin: Client(experiment="${name}").`;
      store.go({ experiment: name, view: "ladder" });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem(error.violations.map((each) => each.description).join("; ") || error.message);
      setBusy(false);
    }
  };
  const ready = found.state === "ready" && name && admin;
  return html`<div class="page"><h1>New search</h1>
    <p class="soft">A configuration of Rungway in YAML or JSON. A file of W&B, Katib, NNI, Optuna or Ray Tune is recognised, and <code>rungway convert FILE</code> writes it as one. Nothing is stored before you press Create.</p>
    <div class="halves">
      <form onSubmit=${create}>
        <${Editor} text=${text} onText=${setText} errors=${found.errors} onProblem=${setProblem} largest=${LARGEST} />
        <div class="row">
          <label>Name <input type="text" value=${name} maxlength="63" placeholder="digits" onInput=${(/** @type {any} */ e) => { setName(e.target.value); named.current = true; request.current = randomId(); }} /></label>
          <button class="primary" disabled=${!ready || busy}>${busy ? "Creating …" : "Create"}</button>
          ${!text && html`<button type="button" onClick=${() => setText(EXAMPLE)}>Show an example</button>`}
        </div>
        ${!admin && html`<p class="soft">Your role does not allow creating. Somebody with the role admin can: <code>rungway create FILE</code>.</p>`}
        <p class="error" role="alert">${problem}</p>
      </form>
      <section aria-label="Preview" aria-busy=${found.state === "reading"} aria-live="polite"><${Preview} store=${store} found=${found} /></section>
    </div></div>`;
}

/** @param {string} text @param {AbortSignal} signal @returns {Promise<{config?: any, preview?: any, errors: any[], state: string}>} */
async function read(text, signal) {
  try {
    const { config } = await call("ViewService/ReadConfig", { text }, { signal });
    try {
      const { preview } = await call("ExperimentService/PreviewSearch", { config }, { signal });
      return { config, preview, errors: [], state: "ready" };
    } catch (error) { return { config, ...failure(error) }; }
  } catch (error) { return failure(error); }
}

/** @param {unknown} error */
function failure(error) {
  if (!(error instanceof ApiError)) return { errors: [], state: "aborted" };
  const errors = error.violations.length ? error.violations : [{ field: "", description: error.message }];
  return { errors, state: error.passes ? "away" : "wrong" };
}

/** An id made of a name, as the command line makes it. @param {string} text */
export function idOf(text) {
  return text.normalize("NFKD").replace(/[^\x20-\x7e]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 63).replace(/-+$/, "");
}

/** @param {{store: Store, found: any}} props */
function Preview({ store, found }) {
  const { preview, errors, state } = found;
  if (state === "empty") return html`<p class="soft">What the search would do is shown here.</p>`;
  if (state === "away") return html`<p class="error">The service does not answer: ${errors[0].description} Change the text to try again.</p>`;
  if (state === "wrong") return html`<p><strong>${errors.length === 1 ? "One thing" : `${errors.length} things`} to correct</strong>, beside the text.</p>`;
  if (!preview) return html`<p class="soft">Reading …</p>`;
  return html`<h2>What it would do</h2>
    ${(preview.summary || []).length > 0 && html`<ul>${preview.summary.map((/** @type {string} */ line) => html`<li>${line}</li>`)}</ul>`}
    <${Staircase} store=${store} preview=${preview} />
    <${PreviewTable} preview=${preview} />
    ${(preview.notes || []).map((/** @type {string} */ note) => html`<p class="banner warn">${note}</p>`)}`;
}
