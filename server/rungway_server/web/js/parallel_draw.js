/**
 * Draws parallel coordinates: thousands of lines in pieces between which the page stays alive, and the axes on top.
 */
import { number } from "./format.js";
import { FONT } from "./palette.js";
import { BANDS, bandOf, marksOf, stretchesOf } from "./parallel_model.js";

/** @typedef {import("./parallel_model.js").Axis} Axis */
/** @typedef {import("./palette.js").Palette} Palette */
/** @typedef {{width: number, top: number, bottom: number, rail: number, left: number, right: number}} Frame */

const FIRST_MS = 45, NEXT_MS = 14, PIECE = 400;

/** @param {number} width @param {number} height @returns {Frame} */
export function frameOf(width, height) {
  const side = Math.min(56, width * 0.1);
  return { width, top: 12, bottom: height - 44, rail: height - 22, left: side, right: width - side };
}

/** @param {Frame} frame @param {number} axes @param {number} at */
export function axisX(frame, axes, at) { return axes < 2 ? frame.width / 2 : frame.left + ((frame.right - frame.left) * at) / (axes - 1); }

/** @param {Frame} frame @param {number} place */
export function placeY(frame, place) { return place < 0 ? frame.rail : frame.bottom - place * (frame.bottom - frame.top); }

/** Paints lines in pieces; a new call ends the one before. */
export class Painter {
  constructor() { this.frame = 0; }

  stop() { cancelAnimationFrame(this.frame); }

  /**
   * @param {CanvasRenderingContext2D} context cleared
   * @param {Frame} frame
   * @param {Axis[]} axes
   * @param {Int32Array} rows in the order of drawing
   * @param {Uint8Array} band
   * @param {(band: number) => string} colour
   * @param {number} alpha
   */
  paint(context, frame, axes, rows, band, colour, alpha) {
    this.stop();
    const xs = axes.map((_, at) => axisX(frame, axes.length, at));
    context.lineWidth = 1;
    context.globalAlpha = alpha;
    let at = 0;
    const go = (/** @type {number} */ budget) => {
      const end = performance.now() + budget;
      while (at < rows.length && performance.now() < end) {
        const first = at, last = Math.min(rows.length, at + PIECE);
        context.strokeStyle = colour(band[rows[first]]);
        context.beginPath();
        for (; at < last && band[rows[at]] === band[rows[first]]; at++) line(context, frame, axes, xs, rows[at]);
        context.stroke();
      }
      context.canvas.dataset.lines = `${at} of ${rows.length}`; // tests count them
      if (at < rows.length) this.frame = requestAnimationFrame(() => go(NEXT_MS));
    };
    go(FIRST_MS);
  }
}

/** @param {CanvasRenderingContext2D} context @param {Frame} frame @param {Axis[]} axes @param {number[]} xs @param {number} row */
function line(context, frame, axes, xs, row) {
  for (let k = 0; k < axes.length; k++) {
    const y = placeY(frame, axes[k].places[row]);
    if (k) context.lineTo(xs[k], y);
    else context.moveTo(xs[k], y);
  }
  if (axes.length === 1) context.lineTo(xs[0] + 8, placeY(frame, axes[0].places[row]));
}

/** How opaque a line is, so that many are a picture and few are seen. @param {number} many */
export function alphaFor(many) { return Math.max(0.12, Math.min(0.85, 13 / Math.sqrt(many + 1))); }

/** A colour for each band. @param {Palette} palette */
export function bandColours(palette) {
  const colours = Array.from({ length: BANDS }, (_, band) => palette.rank(band / (BANDS - 1)));
  return (/** @type {number} */ band) => colours[band];
}

/**
 * Axes, their labels, and what is brushed.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {Axis[]} axes @param {Record<string, any>} brush
 * @param {Palette} palette @param {number} focus the axis that has the keys; -1 = none
 */
export function drawAxes(context, frame, axes, brush, palette, focus) {
  context.font = FONT;
  const gap = axes.length > 1 ? (frame.right - frame.left) / (axes.length - 1) : frame.width;
  axes.forEach((axis, at) => {
    const x = axisX(frame, axes.length, at);
    context.strokeStyle = at === focus ? palette.accent : palette.ink;
    context.lineWidth = at === focus ? 2 : 1;
    context.beginPath();
    context.moveTo(x, frame.top);
    context.lineTo(x, frame.bottom);
    context.stroke();
    const last = at === axes.length - 1 && at > 0;
    if (axis.kind === "category") drawBands(context, frame, axis, x, gap, last, palette);
    else drawTicks(context, frame, axis, x, gap, last, palette);
    if (axis.gaps) drawRail(context, frame, x, palette, brush[axis.key]?.values?.includes(null));
    for (const [low, high] of stretchesOf(axis, brush[axis.key])) {
      context.fillStyle = palette.band;
      context.strokeStyle = palette.accent;
      context.lineWidth = 1.5;
      const top = placeY(frame, high), tall = Math.max(3, placeY(frame, low) - top);
      context.fillRect(x - 8, top, 16, tall);
      context.strokeRect(x - 8, top, 16, tall);
    }
  });
  if (axes.some((axis) => axis.gaps)) label(context, "not set", 2, frame.rail + 16, "left", palette.soft, palette);
}

/** A text that lines behind it do not hide. @param {CanvasRenderingContext2D} context @param {string} text @param {number} x @param {number} y @param {CanvasTextAlign} align @param {string} colour @param {Palette} palette */
function label(context, text, x, y, align, colour, palette) {
  context.textAlign = align;
  context.lineJoin = "round";
  context.strokeStyle = palette.back;
  context.lineWidth = 3.5;
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} room */
function cut(context, text, room) {
  while (text.length > 2 && context.measureText(text).width > room) text = `${text.slice(0, -2).replace(/…$/, "")}…`;
  return text;
}

/** @param {CanvasRenderingContext2D} context @param {Frame} frame @param {Axis} axis @param {number} x @param {number} gap @param {boolean} last @param {Palette} palette */
function drawTicks(context, frame, axis, x, gap, last, palette) {
  const { domain } = axis, ends = axis.flip ? [domain.above, domain.below] : [domain.below, domain.above];
  for (const { value, label: text } of marksOf(axis, 6)) {
    const y = placeY(frame, axis.scale.at(value));
    context.fillStyle = palette.ink;
    context.fillRect(x - 3, y - 0.5, 6, 1);
    label(context, cut(context, text, gap - 10), last ? x - 6 : x + 6, y + 4, last ? "right" : "left", palette.ink, palette);
  }
  if (ends[0]) label(context, `${number(ends[0])} beyond`, last ? x - 6 : x + 6, frame.bottom + 12, last ? "right" : "left", palette.ink, palette);
  if (ends[1]) label(context, `${number(ends[1])} beyond`, last ? x - 6 : x + 6, frame.top - 2, last ? "right" : "left", palette.ink, palette);
}

/** @param {CanvasRenderingContext2D} context @param {Frame} frame @param {Axis} axis @param {number} x @param {number} gap @param {boolean} last @param {Palette} palette */
function drawBands(context, frame, axis, x, gap, last, palette) {
  const every = Math.max(1, Math.ceil((axis.words.length * 13) / (frame.bottom - frame.top)));
  axis.words.forEach((word, index) => {
    const [low, high] = bandOf(axis, index), top = placeY(frame, high), tall = placeY(frame, low) - top, inset = Math.min(3, tall * 0.15);
    context.strokeStyle = palette.soft;
    context.lineWidth = 1;
    context.strokeRect(x - 4, top + inset, 8, Math.max(1, tall - 2 * inset));
    if (index % every === 0) label(context, cut(context, word, gap - 14), last ? x - 8 : x + 8, top + tall / 2 + 4, last ? "right" : "left", palette.ink, palette);
  });
}

/** @param {CanvasRenderingContext2D} context @param {Frame} frame @param {number} x @param {Palette} palette @param {boolean} chosen */
function drawRail(context, frame, x, palette, chosen) {
  context.strokeStyle = chosen ? palette.accent : palette.soft;
  context.lineWidth = chosen ? 3 : 1;
  context.setLineDash([2, 2]);
  context.beginPath();
  context.moveTo(x - 9, frame.rail);
  context.lineTo(x + 9, frame.rail);
  context.stroke();
  context.setLineDash([]);
}

/** One trial, strong. @param {CanvasRenderingContext2D} context @param {Frame} frame @param {Axis[]} axes @param {number} row @param {string} colour @param {Palette} palette */
export function drawLine(context, frame, axes, row, colour, palette) {
  const xs = axes.map((_, at) => axisX(frame, axes.length, at));
  for (const [style, width] of /** @type {[string, number][]} */ ([[palette.back, 5], [colour, 2.5]])) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    line(context, frame, axes, xs, row);
    context.stroke();
  }
}

/** The row whose line is next to a place; -1 where none is. @param {Frame} frame @param {Axis[]} axes @param {Int32Array} rows @param {number} x @param {number} y */
export function lineAt(frame, axes, rows, x, y) {
  if (axes.length < 2) return -1;
  const step = (frame.right - frame.left) / (axes.length - 1), at = Math.max(0, Math.min(axes.length - 2, Math.floor((x - frame.left) / step)));
  const share = Math.max(0, Math.min(1, (x - frame.left) / step - at)), one = axes[at].places, other = axes[at + 1].places;
  let found = -1, least = 7;
  // The last drawn lies on top.
  for (let k = rows.length - 1; k >= 0; k--) {
    const away = Math.abs(placeY(frame, one[rows[k]]) * (1 - share) + placeY(frame, other[rows[k]]) * share - y);
    if (away < least) [found, least] = [rows[k], away];
  }
  return found;
}
