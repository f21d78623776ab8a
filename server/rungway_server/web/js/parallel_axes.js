/** The heads of the axes, to drag and to set, and the same as a table with fields. */
import { html, useRef } from "./html.js";
import { axisX } from "./parallel_draw.js";
import { possibleAxes } from "./parallel_model.js";

/** @param {any} store @param {any} settings @param {any} axis */
function changes(store, settings, axis) {
  return {
    log: () => (settings.log.value = { ...settings.log.peek(), [axis.key]: !axis.log }),
    flip: () => (settings.flip.value = axis.flip ? settings.flip.peek().filter((/** @type {string} */ each) => each !== axis.key) : [...settings.flip.peek(), axis.key]),
  };
}

/** The order of the axes with one moved. @param {any[]} axes @param {number} from @param {number} to */
export function moved(axes, from, to) {
  const keys = axes.map((each) => each.key), [key] = keys.splice(from, 1);
  keys.splice(Math.max(0, Math.min(keys.length, to)), 0, key);
  return keys;
}

/** @param {any} props */
export function AxisHead({ axis, at, axes, frame, settings, store }) {
  const start = useRef(/** @type {number | null} */ (null)), set = changes(store, settings, axis), x = axisX(frame, axes.length, at);
  const step = axes.length > 1 ? (frame.right - frame.left) / (axes.length - 1) : 1;
  const drop = (/** @type {PointerEvent} */ event) => {
    if (start.current === null) return;
    const by = Math.round((event.clientX - start.current) / step);
    start.current = null;
    /** @type {HTMLElement} */ (event.currentTarget).style.translate = "";
    if (by) settings.axes.value = moved(axes, at, at + by);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) settings.axes.value = moved(axes, at, at + by);
    else if (event.key === "l" && axis.canLog) set.log();
    else if (event.key === "r") set.flip();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const width = Math.max(36, Math.min(step - 4, 170, 2 * x, 2 * (frame.width - x))), left = x - width / 2;
  return html`<div class="axis-head" style=${{ left: `${left}px`, width: `${width}px` }}>
    <button type="button" class="quiet" title="${axis.title}: drag, or left and right arrow, to move; l: logarithm; r: turn round" onKeyDown=${onKeyDown}
      onPointerDown=${(/** @type {PointerEvent} */ event) => { start.current = event.clientX; /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId); }}
      onPointerMove=${(/** @type {PointerEvent} */ event) => { if (start.current !== null) /** @type {HTMLElement} */ (event.currentTarget).style.translate = `${event.clientX - start.current}px 0`; }}
      onPointerUp=${drop} onPointerCancel=${drop}>${axis.title}</button>
    ${step >= 62 && html`<span class="axis-switches">
      ${axis.canLog && html`<button type="button" class="quiet" aria-pressed=${axis.log} aria-label="log scale of ${axis.title}" onClick=${set.log}>log</button>`}
      <button type="button" class="quiet" aria-pressed=${axis.flip} aria-label="flip ${axis.title}" onClick=${set.flip}>flip</button>
    </span>`}
  </div>`;
}

/** @param {any} props */
export function AxesTable({ store, axes, settings, goal }) {
  const possible = possibleAxes(store.trials, goal), shown = axes.map((/** @type {any} */ each) => each.key);
  return html`<table>
    <thead><tr>${["axis", "shown", "move", "least", "most", "values", "log", "flip"].map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
    <tbody>${[...axes, ...possible.filter((each) => !shown.includes(each.key))].map((/** @type {any} */ axis, at) => html`<tr key=${axis.key}>
      <th scope="row">${axis.title}</th>
      <td><input type="checkbox" aria-label="show ${axis.title}" checked=${shown.includes(axis.key)} disabled=${shown.length === 1 && at === 0}
        onChange=${() => (settings.axes.value = shown.includes(axis.key) ? shown.filter((/** @type {string} */ each) => each !== axis.key) : [...shown, axis.key])} /></td>
      ${shown.includes(axis.key) ? html`<${AxisFields} ...${{ store, axis, axes, at, settings }} />` : html`<td colspan="6" class="soft">not shown</td>`}
    </tr>`)}</tbody>
  </table>`;
}

/** @param {any} props */
function AxisFields({ store, axis, axes, at, settings }) {
  const range = store.brush.value[axis.key] ?? {}, set = changes(store, settings, axis);
  const put = (/** @type {any} */ next) => {
    const { [axis.key]: _, ...others } = store.brush.peek();
    const some = next.values ? next.values.length : next.min !== undefined || next.max !== undefined;
    store.brush.value = some ? { ...others, [axis.key]: next } : others;
  };
  const field = (/** @type {"min" | "max"} */ end) => html`<input type="number" step="any" aria-label="${axis.title} ${end === "min" ? "least" : "most"}" value=${range[end] ?? ""}
    onChange=${(/** @type {any} */ event) => { const { [end]: _, values: __, ...rest } = range; put(event.target.value === "" ? rest : { ...rest, [end]: Number(event.target.value) }); }} />`;
  const has = (/** @type {any} */ value) => (range.values ?? []).some((/** @type {any} */ each) => JSON.stringify(each) === JSON.stringify(value));
  const toggle = (/** @type {any} */ value) => put({ values: has(value) ? range.values.filter((/** @type {any} */ each) => JSON.stringify(each) !== JSON.stringify(value)) : [...(range.values ?? []), value] });
  return html`
    <td><button type="button" aria-label="move ${axis.title} left" onClick=${() => (settings.axes.value = moved(axes, at, at - 1))}>←</button>
      <button type="button" aria-label="move ${axis.title} right" onClick=${() => (settings.axes.value = moved(axes, at, at + 1))}>→</button></td>
    <td>${axis.kind === "number" && field("min")}</td><td>${axis.kind === "number" && field("max")}</td>
    <td>${[...axis.values.map((/** @type {any} */ value, /** @type {number} */ k) => [value, axis.words[k]]), ...(axis.gaps ? [[null, "not set"]] : [])]
      .map(([value, word]) => html`<label><input type="checkbox" checked=${has(value)} onChange=${() => toggle(value)} /> ${word}</label> `)}</td>
    <td>${axis.canLog && html`<input type="checkbox" aria-label="logarithmic scale of ${axis.title}" checked=${axis.log} onChange=${set.log} />`}</td>
    <td><input type="checkbox" aria-label="turn ${axis.title} round" checked=${axis.flip} onChange=${set.flip} /></td>`;
}
