/** Two hyperparameters against each other: a cell's colour is the median of its trials, its strength how many they are. */
import { Figure, Nothing, Picture, placeOf, PlainTable, Switch } from "./figure.js";
import { goalOf, many, number } from "./format.js";
import { html, useMemo, useSignal, useState } from "./html.js";
import { drawHeat, drawPoints, pointAt, FRAME, cellAt } from "./heatmap_draw.js";
import { heatModel } from "./heatmap_model.js";
import { paletteOf } from "./palette.js";
import { possibleAxes } from "./parallel_model.js";
import { Card, TrialCard } from "./trialcard.js";

const HEIGHT = 380;

/** @param {{store: any, ranking: string[]}} props `ranking`: hyperparameters by importance, for the first pair */
export function HeatMap({ store, ranking }) {
  const experiment = useSignal(store.experiment), version = useSignal(store.version), theme = useSignal(store.theme), mask = useSignal(store.mask), brush = useSignal(store.brush);
  const xParam = store.param("heat.x", ""), yParam = store.param("heat.y", ""), logs = useSignal(store.param("axes.log", {})), points = store.param("heat.points", "");
  const goal = goalOf(experiment), { trials } = store, possible = possibleAxes(trials, goal), parameters = possible.slice(0, -2);
  const [size, setSize] = useState({ width: 0, height: HEIGHT }), [focus, setFocus] = useState(/** @type {any} */ (null));
  const keys = pairOf(useSignal(xParam), useSignal(yParam), possible, parameters, ranking), asPoints = useSignal(points) === "1";
  const model = useMemo(() => (keys ? heatModel(trials, keys[0], keys[1], { smaller: goal.smaller, mask, logs }) : null), [version, mask, logs, keys?.[0].key, keys?.[1].key]);
  if (!keys || !model) return html`<${Nothing}>${parameters.length < 2 ? "Two hyperparameters are needed to compare them." : "No trial has begun."}</${Nothing}>`;
  const palette = paletteOf(theme);
  const draw = (/** @type {any} */ context, /** @type {any} */ space) => (asPoints ? drawPoints : drawHeat)(context, space, model, palette);
  const over = (/** @type {CanvasRenderingContext2D} */ context) => {
    if (!focus) return;
    context.strokeStyle = palette.ink;
    context.lineWidth = 2;
    if (focus.box) context.strokeRect(focus.box.x, focus.box.y, focus.box.width, focus.box.height);
    else context.strokeRect(focus.x - 5, focus.y - 5, 10, 10);
  };
  const find = (/** @type {any} */ place) => (asPoints ? pointAt(model, size, place) : cellAt(model, size, place));
  const on = {
    onPointerMove: (/** @type {PointerEvent} */ event) => setFocus(find(placeOf(event))),
    onPointerLeave: () => setFocus(null),
    onPointerUp: () => { if (focus?.row >= 0) store.go({ view: "trial", trial: trials.trial[focus.row] }); else if (focus?.box) brushCell(store, model, focus, brush); },
    onKeyDown: (/** @type {KeyboardEvent} */ event) => onKey(event, { model, size, focus, setFocus, store, trials, brush, asPoints }),
  };
  const choice = (/** @type {any} */ param, /** @type {any} */ key, /** @type {string} */ words) => html`<label>${words} <select value=${key.key} onChange=${(/** @type {any} */ event) => (param.value = event.target.value)}>
    ${possible.map((each) => html`<option value=${each.key} selected=${each.key === key.key}>${each.title}</option>`)}</select></label>`;
  return html`<${Figure} name="two hyperparameters" table=${() => heatTable(model)} sentence=${sentence(model, goal, mask, asPoints)}
    controls=${html`${choice(xParam, keys[0], "across")}${choice(yParam, keys[1], "up")}<${Switch} param=${points} title="each trial a dot">Dots</${Switch}>`}>
    <${Picture} height=${HEIGHT} onSize=${setSize} draw=${draw} when=${[model, theme, asPoints]} over=${over} overWhen=${[focus]} on=${on}
      label="Two hyperparameters. Arrow keys go through cells, Enter brushes the values of a cell.">
      ${focus && html`<${Card} place=${{ x: focus.x, y: focus.y, ...size }}>${focus.row >= 0
        ? html`<${TrialCard} trials=${trials} row=${focus.row} unit=${experiment.plan.unit || "length"} metric=${goal.metric} />`
        : html`<div>${focus.words}</div><div>${many(focus.count, "trial")}${focus.results ? `, median ${goal.metric} ${number(focus.median)}, best ${number(focus.best)}` : ", no result"}</div>`}</${Card}>`}
      ${!model.count && html`<div class="over"><${Nothing}>No trial has both values${mask ? " within the brush" : ""}.</${Nothing}></div>`}
    </${Picture}>
  </${Figure}>`;
}

/** The pair that is shown: the user's, or the two that matter most. @param {string} x @param {string} y @param {any[]} possible @param {any[]} parameters @param {string[]} ranking */
function pairOf(x, y, possible, parameters, ranking) {
  if (parameters.length < 2) return null;
  const find = (/** @type {string} */ key, /** @type {any} */ other) => possible.find((each) => each.key === key) ?? other;
  const rank = (/** @type {any} */ each) => (ranking.indexOf(each.title) + 1 || ranking.length + 1), [first, second] = [...parameters].sort((one, other) => rank(one) - rank(other));
  return [find(x, first), find(y, second)];
}

/** @param {any} model @param {any} goal @param {any} mask @param {boolean} asPoints */
function sentence(model, goal, mask, asPoints) {
  const parts = [`${model.x.title} and ${model.y.title} of ${many(model.count, "trial")}${mask ? " within the brush" : ""}.`];
  parts.push(asPoints ? `A dot is a trial; the stronger its colour, the better its best ${goal.metric}.` : `Colour: the median of the best ${goal.metric} in a cell, the strongest is best (${number(model.worst)} to ${number(model.best)}); the more solid, the more trials (up to ${model.most}).`);
  if (model.missing) parts.push(`${many(model.missing, "trial")} without one of the values ${model.missing === 1 ? "is" : "are"} left out.`);
  if (model.beyond) parts.push(`${many(model.beyond, "trial")} far out ${model.beyond === 1 ? "is" : "are"} at the edge.`);
  return parts.join(" ");
}

/** @param {any} model */
function heatTable(model) {
  const cells = model.cells.filter((/** @type {any} */ each) => each.rows.length).sort((/** @type {any} */ one, /** @type {any} */ other) => other.rows.length - one.rows.length);
  return html`${cells.length > 200 && html`<p class="soft">The fullest 200 of ${cells.length} cells.</p>`}
    <${PlainTable} heads=${[model.x.title, model.y.title, "trials", "median", "best"]} rows=${cells.slice(0, 200).map((/** @type {any} */ cell) => [cell.xWords, cell.yWords, cell.rows.length, cell.median === cell.median ? number(cell.median) : "–", cell.best === cell.best ? number(cell.best) : "–"])} />`;
}

/** @param {any} store @param {any} model @param {any} focus @param {any} brush */
function brushCell(store, model, focus, brush) {
  const cell = model.cells[focus.cell];
  store.brush.value = { ...brush, [model.x.key]: cell.xRange, [model.y.key]: cell.yRange };
}

/** @param {KeyboardEvent} event @param {any} state */
function onKey(event, { model, size, focus, setFocus, store, trials, brush, asPoints }) {
  const steps = /** @type {Record<string, number[]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] })[event.key];
  if (event.key === "Enter" && focus) {
    if (focus.row >= 0) store.go({ view: "trial", trial: trials.trial[focus.row] });
    else brushCell(store, model, focus, brush);
    event.preventDefault();
  }
  if (!steps) return;
  event.preventDefault();
  const at = asPoints ? -1 : focus?.cell ?? -1, column = at < 0 ? 0 : Math.max(0, Math.min(model.columns - 1, (at % model.columns) + steps[0]));
  const line = at < 0 ? 0 : Math.max(0, Math.min(model.lines - 1, Math.floor(at / model.columns) + steps[1]));
  const { left, top, right, bottom } = FRAME, wide = (size.width - left - right) / model.columns, high = (HEIGHT - top - bottom) / model.lines;
  setFocus(cellAt(model, size, { x: left + (column + 0.5) * wide, y: HEIGHT - bottom - (line + 0.5) * high }));
}
