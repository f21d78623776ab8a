/**
 * Parallel coordinates: every trial a line through its values. What is brushed on an axis is the mask of all views.
 */
import { Figure, Nothing, Picture, placeOf, prepared, Switch } from "./figure.js";
import { count, goalOf, many } from "./format.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useSignal, useState } from "./html.js";
import { AxesTable, AxisHead } from "./parallel_axes.js";
import { alphaFor, axisX, bandColours, drawAxes, drawLine, frameOf, lineAt, Painter } from "./parallel_draw.js";
import { makeAxis, MOST_AXES, orderOf, possibleAxes, rangeOf, shownAxes, stretchesOf } from "./parallel_model.js";
import { paletteOf } from "./palette.js";
import { Card, TrialCard } from "./trialcard.js";

const HEIGHT = 400, MOST_LINES = 20000, PAUSE_MS = 4000, LEAST_DRAG = 4, REACH = 14;

/** @param {{store: any}} props */
export function Parallel({ store }) {
  const experiment = useSignal(store.experiment), theme = useSignal(store.theme), brush = useSignal(store.brush), selected = useSignal(store.selected);
  const settings = settingsOf(store), version = useSlowly(useSignal(store.version), store.trials), mask = useSignal(store.mask);
  const { trials } = store, goal = goalOf(experiment), palette = paletteOf(theme);
  const [size, setSize] = useState({ width: 0, height: HEIGHT }), most = Math.max(3, Math.min(MOST_AXES, Math.floor(size.width / 64)));
  const axes = useAxes(store, settings, version, brush, most), by = useSignal(settings.by) === "1" ? "metric" : "rank";
  const ranked = useMemo(() => orderOf(trials, goal.smaller, by), [version, by, goal.smaller]);
  const shown = useMemo(() => ranked.order.slice(-MOST_LINES), [ranked]);
  const inside = useMemo(() => (mask ? shown.filter((/** @type {number} */ row) => mask[row]) : shown), [shown, mask]);
  const [focus, setFocus] = useState({ row: -1, axis: -1 }), [drag, setDrag] = useState(/** @type {any} */ (null));
  const frame = frameOf(size.width, HEIGHT), lines = useRef(/** @type {HTMLCanvasElement | null} */ (null)), painter = useRef(new Painter());
  useLayoutEffect(() => {
    if (!lines.current || !size.width) return undefined;
    painter.current.paint(prepared(lines.current, size), frame, axes, inside, ranked.band, bandColours(palette), alphaFor(inside.length));
    return () => painter.current.stop();
  }, [axes, inside, ranked, theme, size.width]);
  const back = usePale(size, frame, axes, shown, palette, Boolean(mask), theme);
  if (!trials.parameters.length) return html`<${Nothing}>${trials.count ? "The trials have no hyperparameters to compare." : "No trial has begun. Start a worker: its first ask begins the search."}</${Nothing}>`;
  const over = (/** @type {CanvasRenderingContext2D} */ context) => {
    drawAxes(context, frame, axes, brush, palette, focus.axis);
    [...selected].forEach((trial, k) => { if (trials.rowOf(trial) >= 0) drawLine(context, frame, axes, trials.rowOf(trial), palette.selected[k % 8], palette); });
    if (focus.row >= 0 && !drag) drawLine(context, frame, axes, focus.row, palette.ink, palette);
  };
  const on = { ...pointerOf({ store, axes, frame, drag, setDrag, setFocus, focus, inside }), onKeyDown: (/** @type {KeyboardEvent} */ event) => onKey(event, { store, focus, setFocus, inside, axes }) };
  const controls = html`<${Switch} param=${settings.by} title="instead of: trained longest first, then by metric">Colour by metric only</${Switch}>
    ${Object.keys(brush).length > 0 && html`<button type="button" onClick=${() => (store.brush.value = {})}>Clear the brush</button>`}`;
  return html`<${Figure} name="parallel coordinates" controls=${controls}
    sentence=${sentence({ trials, inside, shown, ranked, axes, mask, by, goal, possible: possibleAxes(trials, goal) })}
    table=${() => html`<${AxesTable} store=${store} axes=${axes} settings=${settings} goal=${goal} />`}>
    <div class="parallel" style=${{ minWidth: `${settings.axes.value.length * 56}px` }}>
      <div class="axis-heads">${axes.map((/** @type {any} */ axis, /** @type {number} */ at) => html`<${AxisHead} key=${axis.key} ...${{ axis, at, axes, frame, settings, store }} />`)}</div>
      <div class="lines" style=${{ height: `${HEIGHT}px` }}>
        <canvas class="under" aria-hidden="true" ref=${back} style=${{ width: `${size.width}px`, height: `${HEIGHT}px` }} />
        <canvas class="under" aria-hidden="true" ref=${lines} style=${{ width: `${size.width}px`, height: `${HEIGHT}px` }} />
        <${Picture} height=${HEIGHT} onSize=${setSize} draw=${() => {}} over=${over} when=${[axes, size.width, theme]} overWhen=${[brush, focus, drag, selected]} on=${on}
          label="Parallel coordinates. Drag along an axis to brush it. Up and down go through trials from the best, left and right through axes, Enter opens the trial, Space selects it, Delete clears the brush of an axis.">
          ${focus.row >= 0 && !drag && html`<${Card} place=${{ ...(focus.at ?? { x: frame.left, y: 40 }), ...size }}>
            <${TrialCard} trials=${trials} row=${focus.row} unit=${experiment.plan.unit || "length"} metric=${goal.metric} /></${Card}>`}
        </${Picture}>
      </div>
    </div>
  </${Figure}>`;
}

/** What the user sets of the axes, in the URL. @param {any} store */
function settingsOf(store) {
  return { axes: store.param("axes", []), log: store.param("axes.log", {}), flip: store.param("axes.flip", []), by: store.param("axes.metric", "") };
}

/** A version that follows at its leisure: thousands of lines are not drawn anew each second. @param {number} version @param {any} trials */
function useSlowly(version, trials) {
  const [taken, setTaken] = useState(version), since = useRef(0), epoch = useRef(trials.epoch);
  useEffect(() => {
    const wait = epoch.current !== trials.epoch || trials.count < 1000 ? 0 : Math.max(0, since.current + PAUSE_MS - performance.now());
    epoch.current = trials.epoch;
    const timer = setTimeout(() => { since.current = performance.now(); setTaken(version); }, wait);
    return () => clearTimeout(timer);
  }, [version]);
  return taken;
}

/** The axes with where each trial crosses them. While something is brushed, an axis keeps its range. @param {any} store @param {any} settings @param {number} version @param {any} brush @param {number} most */
function useAxes(store, settings, version, brush, most) {
  const wanted = useSignal(settings.axes), logs = useSignal(settings.log), flips = useSignal(settings.flip);
  const domains = useRef(new Map()), { trials } = store, held = Object.keys(brush).length > 0, experiment = store.experiment.peek();
  return useMemo(() => shownAxes(trials, goalOf(experiment), wanted, most).map((which) => {
    const domain = held ? domains.current.get(which.key) : null;
    const axis = makeAxis(trials, which, { log: logs[which.key], flip: flips.includes(which.key), domain });
    domains.current.set(which.key, axis.domain);
    return axis;
  }), [version, wanted, logs, flips, held, trials.epoch, most]);
}

/** What is outside the brush, pale, behind. @param {any} size @param {any} frame @param {any[]} axes @param {Int32Array} rows @param {any} palette @param {boolean} masked @param {string} theme */
function usePale(size, frame, axes, rows, palette, masked, theme) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null)), painter = useRef(new Painter());
  useEffect(() => {
    if (!canvas.current || !size.width) return undefined;
    const context = prepared(canvas.current, size);
    if (!masked) return undefined;
    const frameLater = requestAnimationFrame(() => painter.current.paint(context, frame, axes, rows, new Uint8Array(1 << 20), () => palette.line, alphaFor(rows.length) * 0.6));
    return () => { cancelAnimationFrame(frameLater); painter.current.stop(); };
  }, [axes, rows, masked, theme, size.width]);
  return canvas;
}

/** @param {any} state */
function sentence({ trials, inside, shown, ranked, axes, mask, by, goal, possible }) {
  const parts = [mask ? `${count(inside.length)} of ${many(ranked.order.length, "trial")} are within the brush.` : `${shown.length < ranked.order.length ? count(shown.length) : "All"} ${shown.length < ranked.order.length ? `of ${count(ranked.order.length)}` : count(shown.length)} trials are shown.`];
  if (shown.length < ranked.order.length) parts.push(`The best ${count(shown.length)} are drawn.`);
  if (trials.leftOut) parts.push(`${many(trials.leftOut, "trial")} left out: the service shows the best and the latest.`);
  parts.push(by === "metric" ? `Colour: ${goal.metric}, the strongest is best.` : `Colour: those that trained longest come first, then ${goal.metric}; the strongest is best.`);
  if (ranked.without) parts.push(`${many(ranked.without, "trial")} without a result ${ranked.without === 1 ? "is" : "are"} palest.`);
  if (axes.length < possible.length) parts.push(`${axes.length} of ${possible.length} axes are shown; “As a table” has the others.`);
  return parts.join(" ");
}

/** @param {any} state */
function pointerOf({ store, axes, frame, drag, setDrag, setFocus, focus, inside }) {
  const axisAt = (/** @type {number} */ x) => axes.findIndex((/** @type {any} */ _, /** @type {number} */ at) => Math.abs(axisX(frame, axes.length, at) - x) <= REACH);
  const place = (/** @type {number} */ y) => (frame.bottom - y) / (frame.bottom - frame.top);
  const put = (/** @type {any} */ axis, /** @type {any} */ range) => {
    const { [axis.key]: _, ...others } = store.brush.peek();
    store.brush.value = range ? { ...others, [axis.key]: range } : others;
  };
  return {
    onPointerDown: (/** @type {PointerEvent} */ event) => {
      const { x, y } = placeOf(event), at = axisAt(x);
      if (event.button !== 0) return;
      if (at < 0) { setDrag({ at, x, y, moved: false }); return; }
      /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
      const held = stretchesOf(axes[at], store.brush.peek()[axes[at].key]).find(([low, high]) => axes[at].kind === "number" && place(y) >= low && place(y) <= high);
      setDrag({ at, y, from: place(y), held, moved: false });
    },
    onPointerMove: (/** @type {PointerEvent} */ event) => {
      const { x, y } = placeOf(event);
      if (!drag) {
        const near = axisAt(x) >= 0, row = near ? -1 : lineAt(frame, axes, inside, x, y);
        /** @type {HTMLElement} */ (event.currentTarget).style.cursor = near ? "ns-resize" : row >= 0 ? "pointer" : "default";
        return row === focus.row ? undefined : setFocus({ row, axis: -1, at: { x, y } });
      }
      if (!drag.moved && Math.hypot(y - drag.y, drag.at < 0 ? x - drag.x : 0) < LEAST_DRAG) return undefined;
      if (!drag.moved) setDrag({ ...drag, moved: true });
      if (drag.at < 0) return undefined;
      const shift = place(y) - drag.from, [low, high] = drag.held ? [drag.held[0] + shift, drag.held[1] + shift] : [Math.min(drag.from, place(y)), Math.max(drag.from, place(y))];
      return put(axes[drag.at], rangeOf(axes[drag.at], low, high));
    },
    onPointerUp: (/** @type {PointerEvent} */ event) => {
      const { x, y } = placeOf(event);
      if (drag && !drag.moved && drag.at >= 0) put(axes[drag.at], clicked(axes[drag.at], store.brush.peek()[axes[drag.at].key], place(y), y > frame.bottom + 8));
      else if (drag && !drag.moved && focus.row >= 0) store.go({ view: "trial", trial: store.trials.trial[focus.row] });
      setDrag(null);
    },
    onPointerLeave: () => { if (!drag) setFocus({ row: -1, axis: -1 }); },
  };
}

/** A click on an axis: a category comes or goes, a range goes. @param {any} axis @param {any} range @param {number} place @param {boolean} rail */
function clicked(axis, range, place, rail) {
  if (axis.kind !== "category" && !rail) return null;
  const values = rail ? [null] : /** @type {any} */ (rangeOf(axis, place, place + 1e-9))?.values ?? [], [value] = values;
  if (value === undefined) return null;
  const same = (/** @type {any} */ other) => JSON.stringify(other) === JSON.stringify(value), old = range?.values ?? [];
  const next = old.some(same) ? old.filter((/** @type {any} */ each) => !same(each)) : [...old, value];
  return next.length ? { values: next } : null;
}

/** @param {KeyboardEvent} event @param {any} state */
function onKey(event, { store, focus, setFocus, inside, axes }) {
  const { key } = event, turn = { ArrowUp: 1, ArrowDown: -1 }[key], step = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (key === "Escape") setFocus({ row: -1, axis: -1 });
  else if (key === "Enter" && focus.row >= 0) store.go({ view: "trial", trial: store.trials.trial[focus.row] });
  else if (key === " " && focus.row >= 0) store.toggle(store.trials.trial[focus.row]);
  else if (key === "Delete" && focus.axis >= 0) {
    const { [axes[focus.axis].key]: _, ...others } = store.brush.peek();
    store.brush.value = others;
  } else if (step) setFocus({ ...focus, axis: Math.max(0, Math.min(axes.length - 1, focus.axis + step)) });
  else if (turn && inside.length) {
    const at = inside.indexOf(focus.row), next = at < 0 ? inside.length - 1 : Math.max(0, Math.min(inside.length - 1, at + turn));
    setFocus({ ...focus, row: inside[next], at: undefined });
  } else return;
  event.preventDefault();
}
