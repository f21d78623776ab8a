/** A small chart of lines, as SVG: axes, steps, marks. Pictures of thousands of lines are drawn on canvas elsewhere. */

import { number } from "./format.js";
import { html, useLayoutEffect, useRef, useState } from "./html.js";

/**
 * @typedef {{name: string, points: [number, number][], colour: string, dashed?: boolean, steps?: boolean, dots?: boolean, bare?: boolean, cross?: boolean, large?: boolean, titles?: string[]}} Line `bare`: dots alone
 * @typedef {{at: number, text: string}} Mark a vertical line
 * @typedef {{x: number, y: number, colour: string, title: string, shape?: "cut" | "dot"}} Spot
 */

const LEFT = 64, RIGHT = 14, BELOW = 42;

/** Numbers at which an axis is labelled. @param {number} low @param {number} high @param {number} most @param {boolean} log @returns {number[]} */
export function ticks(low, high, most, log = false) {
  if (log) {
    const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high)), step = Math.max(1, Math.ceil((to - from) / most));
    const found = [];
    for (let power = from; power <= to; power += step) for (const part of to - from <= 2 ? [1, 2, 5] : [1]) found.push(Number(`${part}e${power}`));
    return found.filter((each) => each >= low && each <= high);
  }
  const rough = (high - low) / most || 1, size = 10 ** Math.floor(Math.log10(rough)), step = size * ([1, 2, 5, 10].find((each) => each * size >= rough) || 10);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9 && found.length < 50; at += step) found.push(Math.abs(at) < step * 1e-9 ? 0 : Number(at.toPrecision(12)));
  return found;
}

/** The least and greatest of finite numbers, with a little space. @param {number[]} values @param {boolean} log @returns {[number, number]} */
function extent(values, log) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  if (low === high) return log ? [low / 2, high * 2] : [low - (Math.abs(low) * 0.05 || 0.5), high + (Math.abs(high) * 0.05 || 0.5)];
  return log ? [low / 1.08, high * 1.08] : [low - (high - low) * 0.05, high + (high - low) * 0.05];
}

/** Bounds that leave out what is far from the rest: more than ten times the distance of the quartiles away. @param {number[]} values @returns {[number, number]} */
function usual(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b), at = (/** @type {number} */ share) => sorted[Math.floor(share * (sorted.length - 1))];
  const far = 10 * (at(0.75) - at(0.25));
  return far > 0 ? [at(0.25) - far, at(0.75) + far] : [-Infinity, Infinity];
}

/**
 * @param {{lines: Line[], marks?: Mark[], spots?: Spot[], xName: string, yName: string, caption: any, controls?: any, label: string, height?: number, logX?: boolean, logY?: boolean, fromZero?: boolean, xText?: (x: number) => string, table?: any}} props
 */
export function Chart({ lines, marks = [], spots = [], xName, yName, caption, controls, label, height = 260, logX = false, logY = false, fromZero = false, xText = number, table }) {
  const frame = useRef(/** @type {HTMLElement | null} */ (null)), [width, setWidth] = useState(640), [asTable, setAsTable] = useState(false), [everything, setEverything] = useState(false);
  useLayoutEffect(() => {
    if (!frame.current) return undefined;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(240, Math.floor(entry.contentRect.width))));
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  const all = lines.flatMap((line) => line.points);
  const [x0, x1] = fromZero && !logX ? [0, Math.max(1e-9, ...all.map((point) => point[0]), ...marks.map((mark) => mark.at)) * 1.02] : extent([...all.map((point) => point[0]), ...marks.map((mark) => mark.at)], logX);
  const ys = [...all.map((point) => point[1]), ...spots.map((spot) => spot.y)], [least, most] = everything || logY ? [-Infinity, Infinity] : usual((lines[0]?.points || []).map((point) => point[1]));
  const beyond = ys.filter((value) => Number.isFinite(value) && (value < least || value > most)).length;
  const [y0, y1] = extent(ys.filter((value) => value >= least && value <= most), logY);
  const place = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high, /** @type {boolean} */ log) =>
    (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
  const top = marks.length ? 32 : 16; // their texts have a line of their own
  const x = (/** @type {number} */ value) => LEFT + place(value, x0, x1, logX) * (width - LEFT - RIGHT);
  const y = (/** @type {number} */ value) => clamp(top + (1 - place(value, y0, y1, logY)) * (height - top - BELOW), top, height - BELOW);
  return html`<figure class="chart"><div class="figure-head"><figcaption>${caption}${" "}
      ${(beyond > 0 || everything) && html`<span class="warn">${everything ? "Outliers are shown." : `${beyond} far away ${beyond === 1 ? "value lies" : "values lie"} beyond the picture.`}
        <button class="quiet" onClick=${() => setEverything(!everything)}>${everything ? "Leave them out" : "Show all"}</button></span>`}</figcaption>
      <div class="figure-controls">${controls}
        ${table && html`<button aria-pressed=${asTable} onClick=${() => setAsTable(!asTable)}>${asTable ? "As a picture" : "As a table"}</button>`}</div></div>
    <div ref=${frame}>${asTable ? table : html`<svg width=${width} height=${height} role="img" aria-label=${label}>
      ${ticks(y0, y1, height / 50, logY).map((at) => html`<line class="grid" x1=${LEFT} x2=${width - RIGHT} y1=${y(at)} y2=${y(at)} /><text class="axis" x=${LEFT - 6} y=${y(at) + 4} text-anchor="end">${number(at)}</text>`)}
      ${spread(ticks(x0, x1, width / 90, logX), x).map((at) => html`<text class="axis" x=${x(at)} y=${height - BELOW + 16} text-anchor="middle">${xText(at)}</text>`)}
      <line class="base" x1=${LEFT} x2=${width - RIGHT} y1=${height - BELOW} y2=${height - BELOW} />
      ${spread(marks.map((mark) => mark.at), x, 26).map((at) => html`<text class="axis" x=${x(at)} y=${top - 5} text-anchor="middle">${marks.find((mark) => mark.at === at)?.text}</text>`)}
      ${marks.map((mark) => html`<line class="mark" x1=${x(mark.at)} x2=${x(mark.at)} y1=${top} y2=${height - BELOW} />`)}
      ${lines.map((line) => html`${!line.bare && html`<path d=${path(line, x, y, logX, logY)} fill="none" stroke=${line.colour} stroke-width="2" stroke-linejoin="round" stroke-dasharray=${line.dashed ? "5 4" : null} />`}
        ${line.dots && line.points.map(([a, b], i) => drawn(a, b, logX, logY) && html`<path d=${line.cross ? `M${x(a) - 3} ${y(b) - 3}l6 6m0-6l-6 6` : dot(x(a), y(b), line.large ? 4.5 : 2.5)} fill=${line.colour} stroke=${line.cross ? line.colour : null} stroke-width="1.5"><title>${`${line.titles ? `${line.titles[i]}: ` : ""}${xText(a)}${line.titles ? "," : ":"} ${number(b)}`}</title></path>`)}`)}
      ${spots.filter((spot) => drawn(spot.x, spot.y, logX, logY)).map((spot) => (spot.shape === "cut"
        ? html`<line x1=${x(spot.x) - 9} x2=${x(spot.x) + 9} y1=${y(spot.y)} y2=${y(spot.y)} stroke=${spot.colour} stroke-width="3"><title>${spot.title}</title></line>`
        : html`<circle cx=${x(spot.x)} cy=${y(spot.y)} r="4.5" fill="none" stroke-width="2" stroke=${spot.colour}><title>${spot.title}</title></circle>`))}
      <text class="axis" x=${(LEFT + width - RIGHT) / 2} y=${height - 6} text-anchor="middle">${xName}</text>
      <text class="axis" x="4" y="11">${yName}</text>
    </svg>`}</div>
    ${!asTable && lines.length > 1 && html`<p class="legend">${lines.map((line) => html`<span><svg width="22" height="8" aria-hidden="true"><line x1="0" x2="22" y1="4" y2="4" stroke=${line.colour} stroke-width="3" stroke-dasharray=${line.dashed ? "5 4" : null} /></svg> ${line.name}</span>`)}</p>`}
  </figure>`;
}

/** A disc. @param {number} x @param {number} y @param {number} r */
function dot(x, y, r) { return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`; }

/** @param {number} value @param {number} low @param {number} high */
function clamp(value, low, high) { return Math.min(Math.max(value, low), high); }

/** Those labels that have space. @param {number[]} values @param {(value: number) => number} x @param {number} [apart] */
function spread(values, x, apart = 44) {
  let last = -Infinity;
  return [...values].sort((a, b) => a - b).filter((value) => {
    if (x(value) - last < apart) return false;
    last = x(value);
    return true;
  });
}

/** @param {number} a @param {number} b @param {boolean} logX @param {boolean} logY */
function drawn(a, b, logX, logY) { return Number.isFinite(a) && Number.isFinite(b) && (!logX || a > 0) && (!logY || b > 0); }

/** @param {Line} line @param {(value: number) => number} x @param {(value: number) => number} y @param {boolean} logX @param {boolean} logY */
function path(line, x, y, logX, logY) {
  let text = "", pen = false, last = 0;
  for (const [a, b] of line.points) {
    if (!drawn(a, b, logX, logY)) { pen = false; continue; }
    if (pen && line.steps) text += `L${x(a).toFixed(1)} ${last.toFixed(1)}`;
    last = y(b);
    text += `${pen ? "L" : "M"}${x(a).toFixed(1)} ${last.toFixed(1)}`;
    pen = true;
  }
  return text;
}
