/** Learning curves: all trials as a density, the best, the selected and the running ones as lines. */
import { call } from "./api.js";
import { colourOf, CELL, drawAxes, drawDensity, drawLines, FRAME, insideOf, lineAt, placer } from "./curves_draw.js";
import { chosenOf, densityOf, ROLE, rungLengths, scalesOf, wholeRange } from "./curves_model.js";
import { Figure, Nothing, Picture, placeOf, PlainTable, Switch } from "./figure.js";
import { goalOf, many, number } from "./format.js";
import { asked, Further, titled } from "./further.js";
import { html, useEffect, useMemo, useRef, useSignal, useState } from "./html.js";
import { paletteOf } from "./palette.js";
import { allowsLog } from "./scale.js";
import { Card, TrialCard } from "./trialcard.js";

const HEIGHT = 440, READ_MS = 2000, POINTS = 256, LEAST_DRAG = 6;
const NO_RESULTS = { count: 0, metric: new Float64Array(0), results: { count: 0, metric: new Float64Array(0) } }; // further metrics are in no density
const WORDS = ["selected", "among the best 10", "running"];

/** @param {{store: any}} props */
export function Curves({ store }) {
  const experiment = useSignal(store.experiment), version = useSignal(store.version), theme = useSignal(store.theme), mask = useSignal(store.mask), selected = useSignal(store.selected);
  const logXParam = store.param("curves.logx", "1"), logYParam = store.param("curves.logy", ""), clipParam = store.param("curves.clip", "1"), zoomParam = store.param("curves.zoom", "");
  const logX = useSignal(logXParam) === "1", logY = useSignal(logYParam) === "1", clip = useSignal(clipParam) === "1", zoom = zoomIn(useSignal(zoomParam)), whichParam = store.param("curve.metric", ""), which = useSignal(whichParam);
  const { trials } = store, goal = goalOf(experiment), plan = experiment.plan, palette = paletteOf(theme), lengths = useMemo(() => rungLengths(plan), [experiment]);
  const { chosen, running } = useMemo(() => chosenOf(trials, goal.smaller, selected, mask), [version, selected, mask, goal.smaller]);
  const { curves, metrics, hasCost, problem } = useCurves(store, experiment.experiment, chosen, which);
  const seen = which ? NO_RESULTS : trials, title = titled(which, goal.metric);
  const lines = useMemo(() => {
    let k = 0;
    return chosen.flatMap((/** @type {any} */ each) => {
      const colour = colourOf(palette, each, each.role === ROLE.selected ? k++ : 0), curve = curves.get(each.trial);
      return curve?.length.length || (curve && !which) ? [{ chosen: each, colour, curve }] : [];
    });
  }, [chosen, curves, theme]);
  const whole = useMemo(() => wholeRange(seen, lengths, lines.map((/** @type {any} */ each) => each.curve), clip), [version, lines, clip, lengths, seen]);
  const { xScale, yScale } = useMemo(() => scalesOf(whole, zoom, logX, logY), [whole, zoomParam.value, logX, logY]);
  const [size, setSize] = useState({ width: 0, height: HEIGHT }), [focus, setFocus] = useState(/** @type {any} */ (null)), [drag, setDrag] = useState(/** @type {any} */ (null));
  const { wide, high } = insideOf(size), columns = Math.max(1, Math.round(wide / CELL)), rows = Math.max(1, Math.round(high / CELL));
  const density = useMemo(() => densityOf(seen, plan, { xScale, yScale, columns, lines: rows, mask }), [version, xScale, yScale, columns, mask, seen]);
  const counts = useMemo(() => countsOf(trials, plan, lengths), [version, lengths]), what = { lengths, counts, unit: plan.unit || "length", metric: title };
  const draw = (/** @type {any} */ context, /** @type {any} */ space) => {
    drawDensity(context, space, density, columns, rows, palette);
    drawAxes(context, space, xScale, yScale, what, palette);
    drawLines(context, space, xScale, yScale, lines, -1);
  };
  const over = (/** @type {CanvasRenderingContext2D} */ context) => {
    if (focus) drawLines(context, size, xScale, yScale, lines.filter((/** @type {any} */ each) => each.chosen.trial === focus.trial), focus.trial);
    if (drag?.to) drawBox(context, drag, palette);
  };
  const state = { store, size, xScale, yScale, lines, focus, setFocus, drag, setDrag, zoomParam };
  const on = { ...pointerOf(state), onKeyDown: (/** @type {KeyboardEvent} */ event) => onKey(event, state) };
  const choose = (/** @type {string} */ wanted) => { whichParam.value = wanted; zoomParam.value = ""; };
  const controls = html`<${Further} which=${which} metric=${goal.metric} metrics=${metrics} hasCost=${hasCost} choose=${choose} />
    <${Switch} param=${logXParam} title="logarithmic scale of the length">Log length</${Switch}>
    ${allowsLog(whole.y) && html`<${Switch} param=${logYParam} title="logarithmic scale of the metric">Log metric</${Switch}>`}
    <${Switch} param=${clipParam} title="leave values far out beyond the edge">Clip</${Switch}>
    ${zoom && html`<button type="button" onClick=${() => (zoomParam.value = "")}>Whole range</button>`}`;
  return html`<section class="curves"><${Figure} name="learning curves" controls=${controls} table=${() => curvesTable(chosen, trials, plan)}
    sentence=${sentence({ density, zoom, mask, whole, running, chosen, goal, trials, further: which && title, seen: lines.length })}>
    <${Legend} palette=${palette} roles=${new Set(lines.map((/** @type {any} */ each) => each.chosen.role))} />
    ${problem && html`<p class="error" role="alert">Curves could not be read: ${problem}</p>`}
    <${Picture} height=${HEIGHT} onSize=${setSize} draw=${draw} when=${[density, xScale, yScale, lines, theme]} over=${over} overWhen=${[focus, drag]} on=${on}
      label="Learning curves. Drag to zoom, double click for the whole range. Up and down go through the lines, Enter opens the trial, Space selects it, + and − zoom, Escape shows the whole range.">
      ${focus && !drag && trials.rowOf(focus.trial) >= 0 && html`<${Card} place=${{ x: focus.x, y: focus.y, ...size }}>
        <${TrialCard} trials=${trials} row=${trials.rowOf(focus.trial)} unit=${what.unit} metric=${goal.metric} more=${WORDS[focus.role]} /></${Card}>`}
      ${!density.passed && !lines.length && html`<div class="over"><${Nothing}>${which ? `None of these trials has reported ${title}.` : mask ? "No result is within the brush." : "Nothing has been told yet. Curves begin with the first report of a worker."}</${Nothing}></div>`}
    </${Picture}>
  </${Figure}></section>`;
}

/** The zoom in the URL. @param {string} text @returns {number[] | null} */
function zoomIn(text) {
  const range = text.split("~").map(Number);
  return text && range.length === 4 && range[0] < range[1] && range[2] < range[3] ? range : null;
}

/** @param {any} trials @param {any} plan @param {number[]} lengths */
function countsOf(trials, plan, lengths) {
  const counts = lengths.map(() => 0), { bracket, rung, count } = trials.results;
  const places = plan.brackets.map((/** @type {any} */ each) => each.rungs.map((/** @type {any} */ one) => lengths.indexOf(one.length)));
  for (let i = 0; i < count; i++) counts[places[bracket[i]]?.[rung[i]]]++;
  return counts;
}

/** The curves of some trials: asked for again only where a trial has gone on. @param {any} store @param {string} experiment @param {any[]} chosen @param {string} which */
function useCurves(store, experiment, chosen, which) {
  const [state, setState] = useState({ which, curves: /** @type {Map<number, any>} */ (new Map()), metrics: /** @type {string[]} */ ([]), hasCost: false, problem: "" });
  const known = useRef(/** @type {Map<number, any>} */ (new Map())), source = useRef(""), wanted = useRef(chosen);
  wanted.current = chosen;
  const names = chosen.map((each) => each.trial).join();
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    const read = async () => {
      const now = `${store.trials.epoch} ${which}`;
      if (source.current !== now) [known.current, source.current] = [new Map(), now];
      const missing = wanted.current.filter((/** @type {any} */ { trial, row }) => known.current.get(trial)?.at !== store.trials.length[row] || known.current.get(trial)?.told !== store.trials.metric[row] && store.trials.metric[row] === store.trials.metric[row]);
      try {
        if (missing.length && !document.hidden) {
          const marks = missing.map((/** @type {any} */ { row }) => ({ at: store.trials.length[row], told: store.trials.metric[row] }));
          const { curves = [], metrics = [], hasCost = false } = await call("ViewService/GetCurves", { experiment, trials: missing.map((/** @type {any} */ each) => each.trial), maxPoints: POINTS, ...asked(which) }, { signal: stop.signal });
          curves.forEach((/** @type {any} */ curve, /** @type {number} */ k) => known.current.set(curve.trial ?? 0, { trial: curve.trial ?? 0, length: (curve.length ?? []).map(Number), metric: (curve.metric ?? []).map(Number), ...marks[k] }));
          setState({ which, curves: new Map(known.current), metrics, hasCost, problem: "" });
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        setState((/** @type {any} */ old) => ({ ...old, problem: old.curves.size ? "" : /** @type {Error} */ (error).message }));
      }
      timer = window.setTimeout(read, READ_MS);
    };
    read();
    return () => { stop.abort(); clearTimeout(timer); };
  }, [experiment, names, which]);
  return state.which === which ? state : { ...state, curves: new Map() };
}

/** @param {any} state */
function sentence({ density, zoom, mask, whole, running, chosen, goal, trials, further, seen }) {
  const lines = chosen.length, beyond = whole.y.below + whole.y.above;
  const drawn = `${many(further ? seen : lines, "whole curve")}${further ? ` of ${further}` : " on top"}: the best 10, selected and running ones`;
  const parts = [further ? `${drawn} by ${goal.metric}. Further metrics are read for these alone, and have no density.`
    : `${many(density.passed, "result")}${mask ? " within the brush" : ""} at rungs as a density, with straight lines between the rungs of a trial; ${drawn}. ${goal.smaller ? "Smaller" : "Larger"} is better.`];
  const shown = chosen.filter((/** @type {any} */ each) => each.role === ROLE.running).length;
  const drawnRunning = chosen.filter((/** @type {any} */ each) => trials.state[each.row] === 1).length;
  if (running > drawnRunning) parts.push(`Of ${running} running trials the best ${shown} are drawn.`);
  if (zoom && further) parts.push("A part is shown.");
  else if (zoom) parts.push(`A part is shown: ${many(density.outside, "result")} ${density.outside === 1 ? "is" : "are"} outside it.`);
  else if (beyond) parts.push(`${many(beyond, "value")} far out ${beyond === 1 ? "is" : "are"} beyond the edge (${number(whole.y.min)} to ${number(whole.y.max)}); “Clip” shows them.`);
  if (trials.leftOut) parts.push(`${many(trials.leftOut, "trial")} left out: the service shows the best and the latest.`);
  return parts.join(" ");
}

/** @param {any} props */
function Legend({ palette, roles }) {
  const line = (/** @type {string} */ colour, /** @type {string} */ words) => html`<span><i class="swatch line" style=${{ background: colour }}></i> ${words}</span>`;
  return html`<p class="legend">${roles.has(ROLE.best) && line(palette.accent, "the best 10")}${roles.has(ROLE.running) && line(palette.soft, "running")}
    ${roles.has(ROLE.selected) && line(palette.selected[0], "selected, each its own colour")}
    <span><i class="swatch" style=${{ background: palette.rungs[2], opacity: "60%" }}></i> all trials, the more the stronger</span><span>dashed: rungs</span></p>`;
}

/** @param {any[]} chosen @param {any} trials @param {any} plan */
function curvesTable(chosen, trials, plan) {
  return html`<${PlainTable} heads=${["trial", "why it is drawn", `length (${plan.unit || "length"})`, "last", "best", "at"]} rows=${chosen.map(({ trial, row, role }) => [
    trial, WORDS[role], number(trials.length[row]), number(trials.metric[row]), number(trials.bestMetric[row]), number(trials.bestLength[row])])} />`;
}

/** @param {CanvasRenderingContext2D} context @param {any} drag @param {any} palette */
function drawBox(context, { from, to }, palette) {
  context.fillStyle = palette.band;
  context.strokeStyle = palette.accent;
  context.fillRect(from.x, from.y, to.x - from.x, to.y - from.y);
  context.strokeRect(from.x, from.y, to.x - from.x, to.y - from.y);
}

/** Zooms to a box. @param {any} state @param {{x: number, y: number}} one @param {{x: number, y: number}} other */
function zoomTo({ size, xScale, yScale, zoomParam }, one, other) {
  const { wide, high } = insideOf(size), ends = (/** @type {any} */ scale, /** @type {number[]} */ places) => places.map((place) => Number(scale.value(Math.min(1, Math.max(0, place))).toPrecision(6))).sort((low, up) => low - up);
  const x = ends(xScale, [one.x, other.x].map((each) => (each - FRAME.left) / wide)), y = ends(yScale, [one.y, other.y].map((each) => 1 - (each - FRAME.top) / high));
  if (x[0] < x[1] && y[0] < y[1]) zoomParam.value = [...x, ...y].join("~");
}

/** @param {any} state */
function pointerOf(state) {
  const { store, size, xScale, yScale, lines, focus, setFocus, drag, setDrag, zoomParam } = state;
  return {
    onPointerDown: (/** @type {PointerEvent} */ event) => { if (event.button === 0) setDrag({ from: placeOf(event) }); },
    onPointerMove: (/** @type {PointerEvent} */ event) => {
      const place = placeOf(event);
      if (drag && event.buttons && (drag.to || Math.hypot(place.x - drag.from.x, place.y - drag.from.y) > LEAST_DRAG)) setDrag({ ...drag, to: place });
      else if (!drag) {
        const found = lineAt(size, xScale, yScale, lines, place.x, place.y);
        if (found || focus) setFocus(found && { trial: found.chosen.trial, role: found.chosen.role, ...place });
      }
    },
    onPointerUp: (/** @type {PointerEvent} */ event) => {
      if (drag?.to) zoomTo(state, drag.from, drag.to);
      else if (drag && focus && (event.ctrlKey || event.metaKey || event.shiftKey)) store.toggle(focus.trial);
      else if (drag && focus) store.go({ view: "trial", trial: focus.trial });
      setDrag(null);
    },
    onPointerLeave: () => { if (!drag) setFocus(null); },
    onDblClick: () => (zoomParam.value = ""),
  };
}

/** @param {KeyboardEvent} event @param {any} state */
function onKey(event, state) {
  const { store, size, xScale, yScale, lines, focus, setFocus, zoomParam } = state, turn = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const { wide, high } = insideOf(size), zoom = { "+": 0.2, "=": 0.2, "-": -0.25, "−": -0.25 }[event.key];
  if (event.key === "Escape") { zoomParam.value = ""; setFocus(null); }
  else if (zoom && zoom > 0) zoomTo(state, { x: FRAME.left + zoom * wide, y: FRAME.top + zoom * high }, { x: FRAME.left + (1 - zoom) * wide, y: FRAME.top + (1 - zoom) * high });
  else if (zoom) zoomParam.value = "";
  else if (event.key === "Enter" && focus) store.go({ view: "trial", trial: focus.trial });
  else if (event.key === " " && focus) store.toggle(focus.trial);
  else if (turn && lines.length) {
    const at = lines.findIndex((/** @type {any} */ each) => each.chosen.trial === focus?.trial), next = lines[Math.max(0, Math.min(lines.length - 1, at < 0 ? 0 : at + turn))];
    const last = next.curve.length.length - 1, place = placer(size, xScale, yScale);
    setFocus({ trial: next.chosen.trial, role: next.chosen.role, x: last < 0 ? 0 : place.x(next.curve.length[last]), y: last < 0 ? 0 : place.y(next.curve.metric[last]) || 0 });
  } else return;
  event.preventDefault();
}
