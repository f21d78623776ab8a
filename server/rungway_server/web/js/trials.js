/** The table of trials: of any number of rows only those in sight are in the document. */

import { Compare } from "./compare.js";
import { STATES } from "./columns.js";
import { count, goalOf, many, moment } from "./format.js";
import { frontOf } from "./front_model.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useSignal, useState } from "./html.js";
import { columnsOf, ordered, shownColumns } from "./table.js";
import { csv, save } from "./tools.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./table.js").Column} Column */

const ROW = 28; // pixels, as in app.css
const MORE = 12; // rows beyond what is seen

/** @param {{store: Store}} props */
export function TrialsTable({ store }) {
  const experiment = useSignal(store.experiment), version = useSignal(store.version), { mask } = useSignal(store.chosen);
  const sort = useSignal(store.param("sort", "trial")), chosen = useSignal(store.param("cols", /** @type {string[]} */ ([]))), selected = useSignal(store.selected);
  const comparing = useSignal(store.param("compare", false)), [choosing, setChoosing] = useState(false), [held, setHeld] = useState(false);
  const { trials } = store, metric = goalOf(experiment).metric;
  const all = useMemo(() => columnsOf(trials, metric, frontOf(trials, experiment)), [version, metric]), shown = shownColumns(all, chosen);
  const down = sort.startsWith("-"), by = all.find((/** @type {Column} */ each) => each.name === sort.replace("-", ""));
  const rows = useHeld(() => ordered(trials, mask, by, down), [version, mask, sort], [sort, store.filter.peek(), JSON.stringify(store.brush.peek()), trials.epoch], held);
  const export_ = () => save(`${experiment.experiment}-trials.csv`, csv([shown.map((each) => each.title), ...[...rows.value].map((row) => shown.map((each) => each.raw(row)))]), "text/csv");
  return html`<div class="row">
      <button aria-expanded=${choosing} onClick=${() => setChoosing(!choosing)}>Columns</button>
      <button onClick=${export_} title="What is shown, as a file for spreadsheets">CSV of ${many(rows.value.length, "row")}</button>
      <button aria-pressed=${comparing} disabled=${!selected.size && !comparing} onClick=${() => { store.param("compare", false).value = !comparing; }}>Compare (${selected.size})</button>
      ${selected.size > 0 && html`<button class="quiet" onClick=${() => { store.sel.value = []; }}>Select none</button>`}
      ${rows.stale && html`<button class="chip" onClick=${rows.renew}>order as of ${moment(rows.at, true)} · sort again</button>`}
    </div>
    ${choosing && html`<${Chooser} store=${store} all=${all} shown=${shown} />`}
    ${comparing && selected.size > 0 && html`<${Compare} store=${store} />`}
    ${!trials.count ? html`<p class="empty">No trial has started. Start workers: <code>RUNGWAY_EXPERIMENT=${experiment.experiment} python train.py</code></p>`
      : !rows.value.length ? html`<p class="empty">No trial meets the filter.</p>`
      : html`<${Windowed} store=${store} rows=${rows.value} columns=${shown} sort=${sort} selected=${selected} onHold=${setHeld} />`}`;
}

/**
 * A value that is computed anew with each change, but not while it is held, unless what the user set has changed.
 * @param {() => Int32Array} make @param {any[]} changes @param {any[]} settings @param {boolean} held
 */
function useHeld(make, changes, settings, held) {
  const kept = useRef({ value: new Int32Array(0), at: 0, changes: /** @type {any[]} */ ([]), settings: /** @type {any[]} */ ([]) });
  const [, redraw] = useState(0), now = kept.current;
  const differs = (/** @type {any[]} */ a, /** @type {any[]} */ b) => a.length !== b.length || a.some((each, i) => each !== b[i]);
  const renew = () => { kept.current = { value: make(), at: Date.now(), changes, settings }; };
  if (differs(now.settings, settings) || (!held && differs(now.changes, changes))) renew();
  return { value: kept.current.value, at: kept.current.at, stale: differs(kept.current.changes, changes), renew: () => { renew(); redraw((/** @type {number} */ n) => n + 1); } };
}

/** @param {{store: Store, all: Column[], shown: Column[]}} props */
function Chooser({ store, all, shown }) {
  const param = store.param("cols", /** @type {string[]} */ ([])), names = shown.map((each) => each.name);
  const change = (/** @type {string} */ name, /** @type {boolean} */ on) => {
    const next = on ? [...names, name] : names.filter((each) => each !== name);
    if (next.length) param.value = next;
  };
  return html`<fieldset class="chooser"><legend>Columns</legend>
    ${all.map((each) => html`<label><input type="checkbox" checked=${names.includes(each.name)} onChange=${(/** @type {any} */ e) => change(each.name, e.target.checked)} /> ${each.title}</label>`)}
    <button class="quiet" onClick=${() => { param.value = []; }}>The usual ones</button></fieldset>`;
}

/** @param {{store: Store, rows: Int32Array, columns: Column[], sort: string, selected: Set<number>, onHold: (held: boolean) => void}} props */
function Windowed({ store, rows, columns, sort, selected, onHold }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null)), [top, setTop] = useState(0), [height, setHeight] = useState(600), [at, setAt] = useState(-1);
  const { trials } = store, focused = useRef(false), place = useRef(at), keys = useRef((/** @type {KeyboardEvent} */ _event) => {});
  place.current = at; // keys come faster than drawings
  useEffect(() => {
    const measure = () => setHeight(box.current?.clientHeight || 600);
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, []);
  useEffect(() => { onHold(top > 0 || at >= 0); }, [top > 0, at >= 0]);
  const from = Math.max(0, Math.floor(top / ROW) - MORE), to = Math.min(rows.length, Math.ceil((top + height) / ROW) + MORE);
  const goTo = (/** @type {number} */ wanted) => {
    const next = Math.min(Math.max(wanted, 0), rows.length - 1), element = box.current;
    if (!element) return;
    if (next * ROW < element.scrollTop) element.scrollTop = next * ROW;
    else if ((next + 2) * ROW > element.scrollTop + element.clientHeight) element.scrollTop = (next + 2) * ROW - element.clientHeight;
    focused.current = true;
    place.current = next;
    setTop(element.scrollTop);
    setAt(next);
  };
  keys.current = (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target), at = place.current;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || target.closest("input:not([type=checkbox]), textarea, select")) return;
    const step = event.key === "j" ? 1 : event.key === "k" ? -1 : 0;
    const inside = box.current?.contains(target);
    const page = Math.floor(height / ROW) - 2;
    const more = inside ? new Map([["ArrowDown", 1], ["ArrowUp", -1], ["PageDown", page], ["PageUp", -page]]).get(event.key) : undefined;
    if (step || more) goTo(at < 0 ? 0 : at + (step || more || 0));
    else if (event.key === "x" && at >= 0) store.toggle(trials.trial[rows[at]]);
    else if (event.key === "Enter" && at >= 0 && inside && !target.closest("button, a")) store.go({ view: "trial", trial: trials.trial[rows[at]] });
    else return;
    event.preventDefault();
  };
  useLayoutEffect(() => { // as soon as the rows are there
    const onKey = (/** @type {KeyboardEvent} */ event) => keys.current(event);
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  useLayoutEffect(() => { // before the next key
    if (!focused.current) return;
    focused.current = false;
    /** @type {HTMLElement | null | undefined} */ (box.current?.querySelector(`tr[data-place="${at}"]`))?.focus({ preventScroll: true });
  });
  const places = [];
  for (let i = from; i < to; i++) places.push(i);
  return html`<div class="window" ref=${box} tabindex="0" role="region" aria-label="Trials" onScroll=${(/** @type {any} */ e) => setTop(e.target.scrollTop)}>
    <table aria-rowcount=${rows.length + 1}><thead><tr aria-rowindex="1"><th><span class="visually-hidden">Select</span></th>${columns.map((each) => html`<${Heading} store=${store} column=${each} sort=${sort} />`)}</tr></thead>
      <tbody>
        ${from > 0 && html`<tr class="space" style=${{ height: `${from * ROW}px` }}><td colspan=${columns.length + 1}></td></tr>`}
        ${places.map((i) => {
          const row = rows[i], trial = trials.trial[row];
          return html`<tr key=${trial} data-place=${i} aria-rowindex=${i + 2} tabindex=${i === at ? 0 : -1} class=${selected.has(trial) ? "chosen" : ""} onFocus=${() => setAt(i)}>
            <td><input type="checkbox" aria-label=${`Select trial ${trial}`} checked=${selected.has(trial)} tabindex=${i === at ? 0 : -1} onChange=${(/** @type {any} */ e) => { store.toggle(trial); e.target.checked = store.selected.peek().has(trial); }} /></td>
            ${columns.map((each) => html`<td class=${each.isNumber ? "number" : each.name === "state" ? `is ${STATES[trials.state[row]]}` : ""}>${each.name === "trial"
              ? html`<a ...${store.link({ view: "trial", trial })} tabindex=${i === at ? 0 : -1}>${trial}</a>` : each.text(row)}</td>`)}</tr>`;
        })}
        ${to < rows.length && html`<tr class="space" style=${{ height: `${(rows.length - to) * ROW}px` }}><td colspan=${columns.length + 1}></td></tr>`}
      </tbody></table></div>
    <p class="soft">${count(rows.length)} rows. j and k go up and down, Enter opens, x selects.</p>`;
}

/** @param {{store: Store, column: Column, sort: string}} props */
function Heading({ store, column, sort }) {
  const now = sort === column.name ? "ascending" : sort === `-${column.name}` ? "descending" : null;
  return html`<th class=${column.isNumber ? "number" : ""} aria-sort=${now}><button class="quiet" title=${`Sort by ${column.title}`}
    onClick=${() => { store.param("sort", "trial").value = now === "ascending" ? `-${column.name}` : column.name; }}>${column.title}<span aria-hidden="true">${now === "ascending" ? " ▲" : now === "descending" ? " ▼" : ""}</span></button></th>`;
}
