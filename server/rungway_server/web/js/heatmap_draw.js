/** Draws two hyperparameters against each other, as cells or as dots. */
import { FONT } from "./palette.js";
import { bandOf, marksOf as labelsOf } from "./parallel_model.js";

/** @typedef {ReturnType<typeof import("./heatmap_model.js").heatModel>} Heat */
/** @typedef {import("./palette.js").Palette} Palette */
/** @typedef {{width: number, height: number}} Size */

export const FRAME = { left: 84, right: 16, top: 10, bottom: 40 };

/** @param {Size} size */
function insideOf(size) {
  return { wide: Math.max(1, size.width - FRAME.left - FRAME.right), high: size.height - FRAME.top - FRAME.bottom };
}

/** @param {CanvasRenderingContext2D} context @param {Size} size @param {Heat} model @param {Palette} palette */
export function drawHeat(context, size, model, palette) {
  const { wide, high } = insideOf(size), w = wide / model.columns, h = high / model.lines;
  context.fillStyle = palette.panel;
  context.fillRect(FRAME.left, FRAME.top, wide, high);
  model.cells.forEach((cell, at) => {
    if (!cell.rows.length) return;
    const x = FRAME.left + (at % model.columns) * w, y = size.height - FRAME.bottom - (Math.floor(at / model.columns) + 1) * h;
    context.globalAlpha = 0.3 + 0.7 * Math.sqrt(cell.rows.length / model.most);
    context.fillStyle = cell.results ? palette.heat(model.scale.at(cell.median)) : palette.soft;
    if (cell.results) context.fillRect(x + 0.5, y + 0.5, Math.max(1, w - 1), Math.max(1, h - 1));
    else context.fillRect(x + w / 2 - 1.5, y + h / 2 - 1.5, 3, 3);
  });
  context.globalAlpha = 1;
  drawFrame(context, size, model, palette);
}

/** Where a trial's dot is. @param {Heat} model @param {Size} size @param {number} row */
function dotOf(model, size, row) {
  const { wide, high } = insideOf(size);
  return { x: FRAME.left + model.x.places[row] * wide, y: size.height - FRAME.bottom - model.y.places[row] * high };
}

/** @param {CanvasRenderingContext2D} context @param {Size} size @param {Heat} model @param {Palette} palette */
export function drawPoints(context, size, model, palette) {
  const { wide, high } = insideOf(size), radius = model.rows.length > 3000 ? 1.8 : model.rows.length > 500 ? 2.4 : 3.4;
  context.fillStyle = palette.panel;
  context.fillRect(FRAME.left, FRAME.top, wide, high);
  const worth = (/** @type {number} */ row) => model.points.at(model.metrics[row]);
  const rows = [...model.rows].sort((one, other) => (worth(one) || -1) - (worth(other) || -1));
  context.globalAlpha = rows.length > 1000 ? 0.75 : 0.95;
  for (const row of rows) {
    const { x, y } = dotOf(model, size, row), place = worth(row);
    context.fillStyle = place === place ? palette.heat(place) : palette.soft;
    context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
  }
  context.globalAlpha = 1;
  drawFrame(context, size, model, palette);
}

/** @param {CanvasRenderingContext2D} context @param {Size} size @param {Heat} model @param {Palette} palette */
function drawFrame(context, size, model, palette) {
  const { wide, high } = insideOf(size), bottom = size.height - FRAME.bottom;
  context.font = FONT;
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.strokeRect(FRAME.left + 0.5, FRAME.top + 0.5, wide, high);
  context.fillStyle = palette.soft;
  context.textAlign = "center";
  let end = -Infinity;
  for (const { place, label } of marksOf(model.x, Math.max(2, wide / 80))) {
    const x = FRAME.left + place * wide, text = cut(context, label, Math.max(40, wide / 6)), half = context.measureText(text).width / 2;
    if (x - half < end + 6) continue;
    context.fillText(text, x, bottom + 14);
    end = x + half;
  }
  context.textAlign = "right";
  for (const { place, label } of marksOf(model.y, high / 26)) context.fillText(cut(context, label, FRAME.left - 10), FRAME.left - 6, bottom - place * high + 4);
  context.fillStyle = palette.ink;
  context.textAlign = "center";
  context.fillText(cut(context, model.x.title, wide), FRAME.left + wide / 2, size.height - 6);
  context.save();
  context.translate(11, FRAME.top + high / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(cut(context, model.y.title, high), 0, 0);
  context.restore();
}

/** @param {import("./parallel_model.js").Axis} axis @param {number} most */
function marksOf(axis, most) {
  if (axis.kind === "number") return labelsOf(axis, most).map(({ value, label }) => ({ place: axis.scale.at(value), label })).sort((one, other) => one.place - other.place);
  const every = Math.max(1, Math.ceil(axis.words.length / most));
  return axis.words.map((label, index) => ({ place: (bandOf(axis, index)[0] + bandOf(axis, index)[1]) / 2, label })).filter((_, index) => index % every === 0);
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} room */
function cut(context, text, room) {
  while (text.length > 2 && context.measureText(text).width > room) text = `${text.slice(0, -2).replace(/…$/, "")}…`;
  return text;
}

/** The cell at a place; null where there is none. @param {Heat} model @param {Size} size @param {{x: number, y: number}} place */
export function cellAt(model, size, { x, y }) {
  const { wide, high } = insideOf(size), across = (x - FRAME.left) / wide, up = (size.height - FRAME.bottom - y) / high;
  if (!(across >= 0 && across < 1 && up >= 0 && up < 1)) return null;
  const column = Math.floor(across * model.columns), line = Math.floor(up * model.lines), at = column + model.columns * line, cell = model.cells[at];
  const box = { x: FRAME.left + (column * wide) / model.columns, y: size.height - FRAME.bottom - ((line + 1) * high) / model.lines, width: wide / model.columns, height: high / model.lines };
  const words = `${model.x.title}: ${cell.xWords}; ${model.y.title}: ${cell.yWords}`;
  return { cell: at, box, x: box.x + box.width / 2, y: box.y + box.height / 2, words, count: cell.rows.length, results: cell.results, median: cell.median, best: cell.best, row: -1 };
}

/** The trial whose dot is next to a place; null where none is. @param {Heat} model @param {Size} size @param {{x: number, y: number}} place */
export function pointAt(model, size, { x, y }) {
  let found = -1, least = 12;
  for (const row of model.rows) {
    const dot = dotOf(model, size, row), away = Math.hypot(dot.x - x, dot.y - y);
    if (away < least) [found, least] = [row, away];
  }
  return found < 0 ? null : { row: found, ...dotOf(model, size, found) };
}
