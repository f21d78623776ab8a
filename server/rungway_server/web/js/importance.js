/**
 * How much each hyperparameter matters, over all trials that have begun, and beside it among those that got as far as
 * each rung: what kills trials early looks unimportant among the survivors.
 */
import { call } from "./api.js";
import { Figure, Nothing } from "./figure.js";
import { many, percent } from "./format.js";
import { html, useEffect, useSignal, useState } from "./html.js";

const AGAIN_MS = 10_000, MOST = 20;

/** @param {{store: any, onRanking: (names: string[]) => void}} props */
export function Importance({ store, onRanking }) {
  const experiment = useSignal(store.experiment), choice = store.param("importance.bracket", ""), bracket = useSignal(choice);
  const { answer, problem } = useImportance(store, experiment?.experiment, bracket);
  useEffect(() => { if (answer?.parameters?.length) onRanking(answer.parameters.map((/** @type {any} */ each) => each.name)); }, [answer]);
  if (problem) return html`<p class="error" role="alert">Importance could not be read: ${problem}</p>`;
  if (!answer) return html`<${Nothing}>Working out what matters …</${Nothing}>`;
  const brackets = experiment.plan.brackets.length;
  const control = brackets > 1 && html`<label>of <select value=${bracket} onChange=${(/** @type {any} */ event) => (choice.value = event.target.value)}>
    <option value="" selected=${bracket === ""}>all brackets</option>${experiment.plan.brackets.map((/** @type {any} */ _, /** @type {number} */ k) => html`<option value=${k} selected=${bracket === String(k)}>bracket ${k}</option>`)}</select></label>`;
  const parameters = answer.parameters ?? [], shown = parameters.slice(0, MOST), rungs = Math.max(0, ...shown.map((/** @type {any} */ each) => each.byRung?.length ?? 0));
  const early = answer.tooEarly || (!parameters.length && "there are no results yet");
  if (early) return html`<figure class="figure" aria-label="importance"><div class="figure-head"><figcaption>Importance: too early to say (${early}).</figcaption>${control}</div></figure>`;
  const lengths = bracket === "" ? [] : experiment.plan.brackets[Number(bracket)]?.rungs.map((/** @type {any} */ each) => each.length) ?? [];
  const left = parameters.length - shown.length;
  const words = `${shown[0].name} matters most (${percent(shown[0].importance)}), over all ${many(answer.trials, "trial")} that have begun, stopped ones included.${left > 0 ? ` The ${MOST} that matter most are shown, ${left} are left out.` : ""}${rungs ? " On the right: among those that got that far." : brackets > 1 ? " Choose a bracket to see it among those that got as far as each rung." : ""}`;
  return html`<${Figure} name="importance" sentence=${words} controls=${control} table=${() => bars(shown, rungs, lengths, experiment.plan.unit, false)}>
    <div class="scroll" tabindex="0" role="region" aria-label="importance of each hyperparameter">${bars(shown, rungs, lengths, experiment.plan.unit, true)}</div>
  </${Figure}>`;
}

/** @param {any[]} shown @param {number} rungs @param {number[]} lengths @param {string} unit @param {boolean} drawn */
function bars(shown, rungs, lengths, unit, drawn) {
  const cell = (/** @type {any} */ value) => {
    const share = Number(value);
    if (value === undefined || share !== share) return html`<td class="soft">too few</td>`;
    return html`<td>${drawn && html`<${Bar} share=${share} widest=${80} />`}${percent(share)}</td>`;
  };
  const heads = Array.from({ length: rungs }, (_, k) => (lengths[k] ? `rung ${k} (${lengths[k]} ${unit || ""})` : `rung ${k}`));
  return html`<table class="importance"><thead>
    ${rungs > 0 && html`<tr><td></td><td></td><th scope="colgroup" colspan=${rungs}>among those that got that far</th></tr>`}
    <tr><th scope="col">hyperparameter</th><th scope="col">all that have begun</th>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
    <tbody>${shown.map((each) => html`<tr key=${each.name}><th scope="row">${each.name}</th>${cell(each.importance)}${heads.map((_, k) => cell(each.byRung?.[k]))}</tr>`)}</tbody></table>`;
}

/** A bar; its number stands beside it. @param {{share: number, widest: number}} props pixels for a share of 1 */
export function Bar({ share, widest }) {
  return html`<i class="bar" style=${{ width: `${Math.round(widest * Math.max(0, Math.min(1, share)))}px` }}></i>`;
}

/** What the service last said, read again while results come. @param {any} store @param {string} experiment @param {string} bracket "" = all */
export function useImportance(store, experiment, bracket) {
  const [state, setState] = useState(/** @type {{answer: any, problem: string}} */ ({ answer: null, problem: "" }));
  useEffect(() => {
    if (!experiment) return undefined;
    const stop = new AbortController();
    let timer = 0, seen = -1;
    const read = async () => {
      const version = store.version.peek();
      try {
        if (version !== seen && !store.frozen.peek() && !document.hidden) {
          const answer = await call("ViewService/GetImportance", { experiment, ...(bracket === "" ? {} : { bracket: Number(bracket) }) }, { signal: stop.signal });
          seen = version;
          setState({ answer, problem: "" });
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((/** @type {any} */ old) => ({ ...old, problem: old.answer ? "" : /** @type {Error} */ (error).message }));
      }
      timer = window.setTimeout(read, AGAIN_MS);
    };
    read();
    return () => { stop.abort(); clearTimeout(timer); };
  }, [experiment, bracket]);
  return state;
}
