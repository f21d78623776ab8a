/** Draws the ladder: strips of results, quotas, cut-offs, and the trials between rungs. */
import { FAILED, STOPPED, TOP, WAITS, WENT } from "./ladder_model.js";
import { columnOf, FOOT, GUTTER, HEAD, runnerPlace, seenBrackets, START, stripTop, xOf } from "./ladder_layout.js";
import { BOLD, FONT } from "./palette.js";
import { count as counted, many, number } from "./format.js";
import { ticksOf } from "./scale.js";

/** @typedef {import("./ladder_model.js").LadderModel} LadderModel */
/** @typedef {import("./ladder_model.js").RungModel} RungModel */
/** @typedef {import("./ladder_layout.js").Layout} Layout */
/** @typedef {import("./palette.js").Palette} Palette */

let marks = 0; // results drawn so far

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{width: number, height: number}} size
 * @param {LadderModel} model
 * @param {Layout} layout
 * @param {Palette} palette
 * @param {(trial: number) => boolean} shown whether a trial is in the mask
 */
export function drawLadder(context, size, model, layout, palette, shown) {
  marks = 0;
  context.font = FONT;
  context.textBaseline = "alphabetic";
  context.save();
  context.beginPath();
  context.rect(GUTTER, 0, size.width - GUTTER, size.height);
  context.clip();
  for (const bracket of seenBrackets(layout, model, size.width)) {
    drawHead(context, layout, bracket, palette);
    for (const rung of bracket.rungs) drawRung(context, layout, model, rung, palette, shown);
    drawRunners(context, layout, model, bracket, palette, shown);
    drawAxis(context, layout, model, bracket.bracket, palette);
  }
  context.restore();
  drawGutter(context, layout, model, palette);
  context.canvas.dataset.marks = String(marks); // tests count them
}

/** @param {LadderModel} model @param {number} length */
export function levelOf(model, length) {
  const last = model.lengths.length - 1;
  return last > 0 ? model.lengths.indexOf(length) / last : 1;
}

/** The longest of some texts that fits. @param {CanvasRenderingContext2D} context @param {number} width @param {string[]} texts */
export function fitting(context, width, texts) {
  return texts.find((text) => context.measureText(text).width <= width) ?? "";
}

/** @param {CanvasRenderingContext2D} context @param {Layout} layout @param {any} bracket @param {Palette} palette */
function drawHead(context, layout, bracket, palette) {
  const { left, right } = columnOf(layout, bracket.bracket), wide = right - left + 16;
  context.textAlign = "left";
  context.fillStyle = palette.ink;
  context.font = BOLD;
  context.fillText(`bracket ${bracket.bracket}`, left, 13);
  context.font = FONT;
  context.fillStyle = palette.soft;
  const { started, maxTrials } = bracket, runs = bracket.runners.filter((/** @type {any} */ each) => !each.queued).length;
  context.fillText(fitting(context, wide, [
    `${counted(started)} of ${many(maxTrials, "trial")} started · ${runs} running`,
    `${started} of ${maxTrials} · ${runs} running`, `${started} of ${maxTrials}`,
  ]), left, 27);
}

/** The counts of a rung in words, from long to short. @param {RungModel} rung */
export function rungWords(rung) {
  const { count, quota, fateCounts, planned, top } = rung, went = fateCounts[WENT];
  const size = planned ? `${counted(count)} of ${many(planned, "result")}` : many(count, "result");
  const ended = [[fateCounts[STOPPED], "stopped"], [fateCounts[FAILED], "failed"]]
    .filter(([here]) => here).map(([here, word]) => ` · ${counted(Number(here))} ${word}`).join("");
  if (top) return [`${size} · the top${ended}`, size, String(count)];
  const main = `${size} · ${counted(quota)} may go on · ${counted(went)} went`;
  return [main + ended, main, `${count} · ${quota} may · ${went} went`, `${count} · ${went} went`, String(count)];
}

/**
 * @param {CanvasRenderingContext2D} context @param {Layout} layout @param {LadderModel} model @param {RungModel} rung
 * @param {Palette} palette @param {(trial: number) => boolean} shown
 */
function drawRung(context, layout, model, rung, palette, shown) {
  const { left, right } = columnOf(layout, rung.bracket), top = stripTop(layout, rung.length), high = layout.stripHeight;
  if (layout.words) {
    context.fillStyle = palette.soft;
    context.textAlign = "left";
    context.fillText(fitting(context, right - left + 16, rungWords(rung)), left, top - 4);
  }
  context.fillStyle = palette.panel;
  context.fillRect(left - 5, top, right - left + 21, high);
  context.fillStyle = palette.rung(levelOf(model, rung.length));
  context.fillRect(left - 9, top, 3, high);
  const cut = xOf(layout, rung.bracket, rung.cutoff);
  if (rung.cutoff === rung.cutoff && cut === cut) {
    context.fillStyle = palette.band;
    context.fillRect(left - 5, top, cut - left + 5, high);
  }
  if (2.5 * rung.count <= right - left && high >= 18) drawGlyphs(context, layout, model, rung, palette, shown);
  else drawBars(context, layout, model, rung, palette, shown);
  if (rung.cutoff === rung.cutoff && cut === cut) {
    context.fillStyle = palette.accent;
    context.fillRect(cut - 0.75, top - 2, 1.5, high + 4);
  }
}

const ORDER = [WAITS, STOPPED, FAILED, WENT, TOP];

/** @param {Palette} palette @param {number} fate @param {string} rungColour */
function colourOf(palette, fate, rungColour) {
  if (fate === FAILED) return palette.bad;
  return fate === WAITS || fate === STOPPED ? palette.soft : rungColour;
}

/**
 * Few results: each its own mark, beside each other where they would overlap.
 * @param {CanvasRenderingContext2D} context @param {Layout} layout @param {LadderModel} model @param {RungModel} rung
 * @param {Palette} palette @param {(trial: number) => boolean} shown
 */
function drawGlyphs(context, layout, model, rung, palette, shown) {
  const top = stripTop(layout, rung.length), high = layout.stripHeight, own = palette.rung(levelOf(model, rung.length));
  const places = [];
  for (let at = 0; at < rung.count; at++) {
    const x = xOf(layout, rung.bracket, rung.metrics[at]);
    if (x === x) places.push({ x, at, lane: 0 });
  }
  places.sort((one, other) => one.x - other.x);
  const lanes = high >= 24 ? [0, -7.5, 7.5] : [0, -5, 5], ends = lanes.map(() => -Infinity);
  for (const place of places) {
    let lane = ends.findIndex((end) => place.x - end >= 7);
    if (lane < 0) lane = ends.indexOf(Math.min(...ends));
    ends[lane] = place.x;
    place.lane = lanes[lane];
  }
  context.lineWidth = 1.4;
  for (const fate of ORDER) {
    context.strokeStyle = context.fillStyle = colourOf(palette, fate, own);
    for (const { x, at, lane } of places) {
      if (rung.fates[at] !== fate) continue;
      context.globalAlpha = shown(rung.trials[at]) ? 1 : 0.15;
      drawMark(context, fate, x, top + high / 2 + lane);
      marks++;
    }
  }
  context.globalAlpha = 1;
}

/** Filled = went on, hollow = waits, cross = stopped or failed. @param {CanvasRenderingContext2D} context @param {number} fate @param {number} x @param {number} y */
export function drawMark(context, fate, x, y) {
  context.beginPath();
  if (fate === STOPPED || fate === FAILED) {
    context.moveTo(x - 2.8, y - 2.8);
    context.lineTo(x + 2.8, y + 2.8);
    context.moveTo(x - 2.8, y + 2.8);
    context.lineTo(x + 2.8, y - 2.8);
    context.stroke();
    return;
  }
  context.arc(x, y, fate === WAITS ? 2.7 : 3.3, 0, 7);
  if (fate === WAITS) context.stroke();
  else context.fill();
}

const BIN = 2;

/**
 * Many results: ticks side by side, the higher the more results share a place.
 * @param {CanvasRenderingContext2D} context @param {Layout} layout @param {LadderModel} model @param {RungModel} rung
 * @param {Palette} palette @param {(trial: number) => boolean} shown
 */
function drawBars(context, layout, model, rung, palette, shown) {
  const { left, right } = columnOf(layout, rung.bracket), top = stripTop(layout, rung.length), high = layout.stripHeight;
  const bins = Math.ceil((right - left + 18) / BIN), own = palette.rung(levelOf(model, rung.length));
  const counts = ORDER.map(() => new Float64Array(bins)), dim = new Float64Array(bins);
  let most = 1;
  for (let at = 0; at < rung.count; at++) {
    const x = xOf(layout, rung.bracket, rung.metrics[at]);
    if (x !== x) continue;
    const bin = Math.min(bins - 1, Math.floor((x - left) / BIN));
    const there = shown(rung.trials[at]) ? ++counts[ORDER.indexOf(rung.fates[at])][bin] : ++dim[bin];
    if (there > most) most = there;
    marks++;
  }
  const tall = (/** @type {number} */ each) => high * (most > 1 ? 0.28 + 0.72 * Math.sqrt((each - 1) / (most - 1)) : 0.6);
  paintBars(context, dim, left, top + high, tall, palette.line);
  ORDER.forEach((fate, k) => {
    // What waits or was stopped is paler than what went on, so that a crowd of it hides nothing.
    context.globalAlpha = fate === WAITS || fate === STOPPED ? 0.55 : 1;
    paintBars(context, counts[k], left, top + high, tall, colourOf(palette, fate, own));
  });
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context @param {Float64Array} counts @param {number} left @param {number} bottom
 * @param {(many: number) => number} tall @param {string} colour
 */
function paintBars(context, counts, left, bottom, tall, colour) {
  context.fillStyle = colour;
  for (let bin = 0; bin < counts.length; bin++) {
    if (counts[bin]) context.fillRect(left + bin * BIN, bottom - tall(counts[bin]), BIN - 0.5, tall(counts[bin]));
  }
}

/**
 * @param {CanvasRenderingContext2D} context @param {Layout} layout @param {LadderModel} model @param {any} bracket
 * @param {Palette} palette @param {(trial: number) => boolean} shown
 */
function drawRunners(context, layout, model, bracket, palette, shown) {
  for (const runner of bracket.runners) {
    const { x, y } = runnerPlace(layout, model, runner);
    if (x !== x) continue;
    const colour = palette.rung(levelOf(model, bracket.rungs[runner.rung].length));
    context.globalAlpha = shown(runner.trial) ? 1 : 0.2;
    context.beginPath();
    if (runner.clone) {
      context.moveTo(x, y - 4.6);
      context.lineTo(x + 4.6, y);
      context.lineTo(x, y + 4.6);
      context.lineTo(x - 4.6, y);
      context.closePath();
    } else context.arc(x, y, 3.8, 0, 7);
    context.fillStyle = runner.queued || runner.metric !== runner.metric ? palette.back : colour;
    context.fill();
    context.setLineDash(runner.queued ? [2, 2] : []);
    context.strokeStyle = colour;
    context.lineWidth = 1.6;
    context.stroke();
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} context @param {Layout} layout @param {LadderModel} model @param {number} bracket @param {Palette} palette */
function drawAxis(context, layout, model, bracket, palette) {
  const { left, right } = columnOf(layout, bracket), y = layout.height - FOOT + 4;
  context.fillStyle = palette.soft;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(left, y + 0.5);
  context.lineTo(right, y + 0.5);
  let end = -Infinity;
  context.textAlign = "center";
  const ticks = model.results ? ticksOf(layout.scale, Math.max(2, Math.floor((right - left) / 42))) : [];
  for (const { value, label } of ticks.sort((one, other) => layout.scale.at(one.value) - layout.scale.at(other.value))) {
    const x = left + layout.scale.at(value) * (right - left), half = context.measureText(label).width / 2;
    context.moveTo(x, y);
    context.lineTo(x, y + 4);
    if (x - half < end + 8) continue;
    context.fillText(label, x, y + 16);
    end = x + half;
  }
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {Layout} layout @param {LadderModel} model @param {Palette} palette */
function drawGutter(context, layout, model, palette) {
  context.textAlign = "right";
  for (const length of model.lengths) {
    const y = stripTop(layout, length) + layout.stripHeight / 2 + 4;
    context.fillStyle = palette.ink;
    context.fillText(number(length), GUTTER - 14, y);
  }
  context.fillStyle = palette.soft;
  context.fillText(fitting(context, GUTTER - 8, [model.unit, `${model.unit.slice(0, 8)}…`]), GUTTER - 14, HEAD - 9);
  context.fillText("start", GUTTER - 14, layout.height - FOOT - START / 2 + 2);
  context.fillText("← better", GUTTER - 4, layout.height - FOOT + 20);
}
