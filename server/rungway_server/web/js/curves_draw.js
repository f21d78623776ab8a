/** Draws learning curves: all as a density, some as lines. */
import { many, number } from "./format.js";
import { FONT } from "./palette.js";
import { ROLE } from "./curves_model.js";
import { ticksOf } from "./scale.js";

/** @typedef {import("./scale.js").Scale} Scale */
/** @typedef {import("./palette.js").Palette} Palette */
/** @typedef {import("./curves_model.js").Curve} Curve */
/** @typedef {{width: number, height: number}} Size */

export const FRAME = { left: 70, right: 14, top: 22, bottom: 34 }, CELL = 3;

/** @param {Size} size */
export function insideOf(size) {
  return { wide: Math.max(1, size.width - FRAME.left - FRAME.right), high: Math.max(1, size.height - FRAME.top - FRAME.bottom) };
}

/** @param {Size} size @param {Scale} xScale @param {Scale} yScale */
export function placer(size, xScale, yScale) {
  const { wide, high } = insideOf(size);
  const raw = (/** @type {Scale} */ scale, /** @type {number} */ value) => {
    if (!scale.log) return (value - scale.lo) / (scale.hi - scale.lo);
    return value > 0 ? (Math.log(value) - Math.log(scale.lo)) / (Math.log(scale.hi) - Math.log(scale.lo)) : -1;
  };
  return {
    x: (/** @type {number} */ length) => FRAME.left + raw(xScale, length) * wide,
    y: (/** @type {number} */ metric) => FRAME.top + (1 - Math.max(-9, Math.min(9, raw(yScale, metric)))) * high,
  };
}

/** @param {string} colour "#rrggbb" */
function parts(colour) { return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)); }

/** @param {CanvasRenderingContext2D} context @param {Size} size @param {{counts: Float32Array, most: number, passed: number}} density @param {number} columns @param {number} lines @param {Palette} palette */
export function drawDensity(context, size, { counts, most, passed }, columns, lines, palette) {
  const image = new ImageData(columns, lines), [red, green, blue] = parts(palette.rungs[2]), full = Math.log(most + 1);
  for (let at = 0; at < counts.length; at++) {
    if (!counts[at]) continue;
    image.data.set([red, green, blue, 30 + 200 * (Math.log(counts[at] + 1) / full)], 4 * at);
  }
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = lines;
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  const { wide, high } = insideOf(size);
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, FRAME.left, FRAME.top, wide, high);
  context.canvas.dataset.results = String(passed); // tests count them
}

/** Axes, and rungs as lines. @param {CanvasRenderingContext2D} context @param {Size} size @param {Scale} xScale @param {Scale} yScale @param {{lengths: number[], counts: number[], unit: string, metric: string}} what @param {Palette} palette */
export function drawAxes(context, size, xScale, yScale, { lengths, counts, unit, metric }, palette) {
  const { wide, high } = insideOf(size), place = placer(size, xScale, yScale), bottom = FRAME.top + high;
  context.font = FONT;
  context.lineWidth = 1;
  let end = -Infinity;
  context.textAlign = "center";
  lengths.forEach((length, k) => {
    const x = place.x(length);
    if (x < FRAME.left || x > FRAME.left + wide) return;
    context.strokeStyle = palette.soft;
    context.setLineDash([2, 3]);
    context.beginPath();
    context.moveTo(x, FRAME.top - 4);
    context.lineTo(x, bottom);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = palette.soft;
    const text = [many(counts[k], "result"), String(counts[k])].find((each) => { const half = context.measureText(each).width / 2; return x - half > end + 8 && x + half < size.width; });
    if (!text) return;
    context.fillText(text, x, FRAME.top - 9);
    end = x + context.measureText(text).width / 2;
  });
  context.strokeStyle = palette.line;
  context.strokeRect(FRAME.left + 0.5, FRAME.top + 0.5, wide, high);
  context.fillStyle = palette.soft;
  context.textAlign = "right";
  for (const { value, label } of ticksOf(yScale, Math.max(2, high / 40))) {
    context.fillRect(FRAME.left - 4, place.y(value) - 0.5, 4, 1);
    context.fillText(label, FRAME.left - 7, place.y(value) + 4);
  }
  drawLengths(context, size, xScale, lengths, place);
  context.fillStyle = palette.ink;
  context.textAlign = "right";
  context.fillText(unit, size.width - FRAME.right, size.height - 4);
  context.save();
  context.translate(10, FRAME.top + high / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillText(metric.length > 40 ? `${metric.slice(0, 39)}…` : metric, 0, 0);
  context.restore();
}

/** Lengths of rungs as labels, others where there is room. @param {CanvasRenderingContext2D} context @param {Size} size @param {Scale} xScale @param {number[]} lengths @param {{x: (length: number) => number}} place */
function drawLengths(context, size, xScale, lengths, place) {
  const within = lengths.filter((length) => length >= xScale.lo && length <= xScale.hi);
  const values = within.length > 1 ? within : ticksOf(xScale, 6).map(({ value }) => value);
  let end = -Infinity;
  context.textAlign = "center";
  for (const value of values) {
    const text = number(value), x = place.x(value), half = context.measureText(text).width / 2;
    if (x - half < end + 8) continue;
    context.fillText(text, x, size.height - FRAME.bottom + 14);
    end = x + half;
  }
}

/** @param {Palette} palette @param {{role: number}} chosen @param {number} k place among the selected */
export function colourOf(palette, chosen, k) {
  if (chosen.role === ROLE.selected) return palette.selected[k % palette.selected.length];
  return chosen.role === ROLE.best ? palette.accent : palette.soft;
}

/**
 * @param {CanvasRenderingContext2D} context @param {Size} size @param {Scale} xScale @param {Scale} yScale
 * @param {{curve: Curve, chosen: import("./curves_model.js").Chosen, colour: string}[]} lines @param {number} strong the trial in focus
 */
export function drawLines(context, size, xScale, yScale, lines, strong) {
  const { wide, high } = insideOf(size), place = placer(size, xScale, yScale);
  context.save();
  context.beginPath();
  context.rect(FRAME.left, FRAME.top, wide, high);
  context.clip();
  context.lineJoin = "round";
  for (const { curve, chosen, colour } of [...lines].sort((one, other) => other.chosen.role - one.chosen.role)) {
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = chosen.trial === strong ? 3.5 : chosen.role === ROLE.selected ? 2.5 : chosen.role === ROLE.best ? 1.6 : 1;
    context.beginPath();
    let pen = false;
    curve.length.forEach((length, k) => {
      const metric = curve.metric[k];
      // Where there is no number there is a gap, not a line through it.
      if (metric !== metric) { pen = false; return; }
      const x = place.x(length), y = place.y(metric);
      if (pen) context.lineTo(x, y);
      else context.moveTo(x, y);
      pen = true;
    });
    context.stroke();
    const last = curve.length.length - 1;
    if (last >= 0 && curve.metric[last] === curve.metric[last]) {
      context.beginPath();
      context.arc(place.x(curve.length[last]), place.y(curve.metric[last]), chosen.role === ROLE.running ? 2.6 : 3.2, 0, 7);
      context.fill();
    }
  }
  context.restore();
  context.canvas.dataset.lines = String(lines.length); // tests count them
}

/** The line next to a place; null where none is. @param {Size} size @param {Scale} xScale @param {Scale} yScale @param {{curve: Curve, chosen: any}[]} lines @param {number} x @param {number} y */
export function lineAt(size, xScale, yScale, lines, x, y) {
  const place = placer(size, xScale, yScale);
  let found = null, least = 9;
  for (const each of lines) {
    const { length, metric } = each.curve;
    for (let k = 0; k < length.length; k++) {
      const x1 = place.x(length[k]), y1 = place.y(metric[k]), x0 = k ? place.x(length[k - 1]) : x1, y0 = k ? place.y(metric[k - 1]) : y1;
      if (x < Math.min(x0, x1) - 9 || x > Math.max(x0, x1) + 9) continue;
      const share = x1 > x0 ? Math.max(0, Math.min(1, (x - x0) / (x1 - x0))) : 1;
      const away = Math.hypot(x0 + (x1 - x0) * share - x, y0 + (y1 - y0) * share - y);
      if (away < least) [found, least] = [{ ...each, x, y }, away];
    }
  }
  return found;
}
