/** Draws workers over time: a row for each trial that a worker holds at once, its leases as bars coloured by the rung they train towards. */
import { duration } from "./format.js";
import { FONT } from "./palette.js";
import { FAILED, LOST, OPEN } from "./workers_model.js";

/** @typedef {import("./workers_model.js").Leases} Leases */
/** @typedef {import("./palette.js").Palette} Palette */
/** @typedef {{from: number, to: number, width: number, rows: number, rowHeight: number, left: number}} Span */

export const TOP = 6, AXIS = 26;

/** @param {number} rows */
export function rowHeightOf(rows) { return Math.max(3, Math.min(20, Math.floor(520 / Math.max(1, rows)))); }

/** @param {Span} span @param {number} time */
export function xOf(span, time) {
  return span.left + ((time - span.from) / (span.to - span.from)) * (span.width - span.left - 8);
}

/** @param {Span} span @param {number} x */
export function timeOf(span, x) {
  return span.from + ((x - span.left) / (span.width - span.left - 8)) * (span.to - span.from);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Leases} leases
 * @param {Span} span
 * @param {number} now leases that go on end here, and nothing later is drawn (milliseconds since 1970)
 * @param {number[]} levels share of the ladder's lengths by `bracket * 64 + rung`
 * @param {Palette} palette
 * @param {(trial: number) => boolean} shown
 */
export function drawWorkers(context, leases, span, now, levels, palette, shown) {
  let bars = 0;
  context.font = FONT;
  drawTimes(context, span, leases.log.time[0] ?? span.from, palette);
  context.save();
  context.beginPath();
  context.rect(span.left, 0, span.width - span.left, TOP + span.rows * span.rowHeight + 2);
  context.clip();
  const bar = Math.max(2, span.rowHeight - (span.rowHeight > 6 ? 3 : 1));
  for (let row = 0; row < span.rows; row++) {
    const y = TOP + row * span.rowHeight;
    context.fillStyle = palette.panel;
    context.fillRect(span.left, y, span.width - span.left - 8, bar);
    let end = -Infinity;
    for (const each of leases.rows[row].bars) {
      bars++;
      // Of many bars within half a pixel one is drawn, and each that was lost.
      const right = xOf(span, Math.min(leases.to[each], now));
      if (right - end < 0.5 && leases.ending[each] < LOST) continue;
      drawBar(context, leases, each, span, now, y, bar, levels, palette, shown);
      end = right;
    }
  }
  context.canvas.dataset.bars = String(bars); // tests count them
  const x = xOf(span, now);
  context.strokeStyle = palette.accent;
  context.setLineDash([3, 3]);
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, TOP + span.rows * span.rowHeight);
  context.stroke();
  context.setLineDash([]);
  context.restore();
  drawNames(context, leases, span, palette);
}

/**
 * @param {CanvasRenderingContext2D} context @param {Leases} leases @param {number} bar @param {Span} span @param {number} now
 * @param {number} y @param {number} high @param {number[]} levels @param {Palette} palette @param {(trial: number) => boolean} shown
 */
function drawBar(context, leases, bar, span, now, y, high, levels, palette, shown) {
  const from = leases.from[bar], over = leases.to[bar] <= now, to = over ? leases.to[bar] : now;
  if (from > now || to < span.from || from > span.to) return;
  const left = xOf(span, Math.max(from, span.from)), right = xOf(span, Math.min(to, span.to)), wide = Math.max(1, right - left - (right - left > 4 ? 1 : 0));
  const ending = over ? leases.ending[bar] : OPEN;
  context.globalAlpha = shown(leases.trial[bar]) ? 1 : 0.2;
  context.fillStyle = palette.rung(levels[leases.bracket[bar] * 64 + leases.rung[bar]] ?? 0);
  context.fillRect(left, y, wide, high);
  if (ending === LOST || ending === FAILED) {
    context.fillStyle = palette.bad;
    context.fillRect(left + wide - Math.min(wide, 3), y, Math.min(wide, 3), high);
    if (high >= 7) drawCross(context, Math.min(left + wide + 4, span.width - 4), y + high / 2, palette);
  }
  context.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {Palette} palette */
function drawCross(context, x, y, palette) {
  context.strokeStyle = palette.bad;
  context.lineWidth = 1.5;
  context.setLineDash([]);
  context.beginPath();
  context.moveTo(x - 3, y - 3);
  context.lineTo(x + 3, y + 3);
  context.moveTo(x - 3, y + 3);
  context.lineTo(x + 3, y - 3);
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {Leases} leases @param {Span} span @param {Palette} palette */
function drawNames(context, leases, span, palette) {
  const every = Math.max(1, Math.ceil(11 / span.rowHeight));
  context.textAlign = "right";
  context.fillStyle = palette.ink;
  let next = 0;
  for (let row = 0; row < span.rows; row++) {
    const { worker, lane } = leases.rows[row];
    if (lane > 0 || row < next) continue; // a name stands at its first row, if there is room
    next = row + every;
    let name = leases.log.workers[worker];
    while (name.length > 4 && context.measureText(name).width > span.left - 10) name = `${name.slice(0, -2)}…`.replace("……", "…");
    context.fillText(name, span.left - 6, TOP + row * span.rowHeight + Math.min(span.rowHeight / 2 + 4, 13));
  }
}

const STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800, 2592000];

/** @param {CanvasRenderingContext2D} context @param {Span} span @param {number} first when the search began @param {Palette} palette */
function drawTimes(context, span, first, palette) {
  const seconds = (span.to - span.from) / 1000, y = TOP + span.rows * span.rowHeight + 4;
  const step = (STEPS.find((each) => seconds / each <= Math.max(2, (span.width - span.left) / 90)) ?? 31536000) * 1000;
  context.textAlign = "center";
  context.strokeStyle = palette.line;
  context.fillStyle = palette.soft;
  context.lineWidth = 1;
  context.beginPath();
  for (let k = Math.ceil((span.from - first) / step); first + k * step <= span.to; k++) {
    const x = xOf(span, first + k * step);
    context.moveTo(x, TOP);
    context.lineTo(x, y);
    const label = k === 0 ? "start" : duration((k * step) / 1000), half = context.measureText(label).width / 2;
    context.fillText(label, Math.min(x, span.width - half - 2), y + 14);
  }
  context.stroke();
}
