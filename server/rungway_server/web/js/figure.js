/**
 * What every picture has: a sharp canvas that follows its width, a sentence that says what it shows, the same as a table,
 * and keys.
 */
import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";

/**
 * @typedef {object} Size
 * @property {number} width CSS pixels
 * @property {number} height CSS pixels
 *
 * @typedef {(context: CanvasRenderingContext2D, size: Size) => void} Draw
 */

/** Makes a canvas as sharp as the screen and clears it. @param {HTMLCanvasElement} canvas @param {Size} size */
export function prepared(canvas, { width, height }) {
  const ratio = window.devicePixelRatio || 1;
  const wide = Math.round(width * ratio), high = Math.round(height * ratio);
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** The width of an element, kept up to date. @param {{current: HTMLElement | null}} ref @returns {number} 0 at first */
export function useWidth(ref) {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const measure = () => setWidth(Math.floor(element.clientWidth));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  return width;
}

/** Grows when the screen's pixels change, so that pictures are drawn anew. */
export function usePixelRatio() {
  const [ratio, setRatio] = useState(window.devicePixelRatio || 1);
  useEffect(() => {
    const query = window.matchMedia(`(resolution: ${ratio}dppx)`), changed = () => setRatio(window.devicePixelRatio || 1);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, [ratio]);
  return ratio;
}

/** Whether the system asks for less movement. */
export function still() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Where a pointer is in a canvas. @param {PointerEvent | MouseEvent} event */
export function placeOf(event) {
  const box = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

/**
 * A canvas with a second one on top for what changes with the pointer.
 * @param {object} props
 * @param {number} props.height
 * @param {string} props.label what it is, for those who do not see it
 * @param {Draw} props.draw
 * @param {Draw} [props.over]
 * @param {any[]} props.when `draw` runs anew when one of these changes
 * @param {any[]} [props.overWhen]
 * @param {(size: Size) => void} [props.onSize]
 * @param {Record<string, any>} [props.on] events of the upper canvas
 * @param {any} [props.children] what lies over it
 */
export function Picture({ height, label, draw, over, when, overWhen = [], onSize, on = {}, children }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null)), lower = useRef(null), upper = useRef(null);
  const width = useWidth(box), ratio = usePixelRatio(), size = { width, height };
  useLayoutEffect(() => {
    if (width > 0) onSize?.(size);
  }, [width, height]);
  useLayoutEffect(() => {
    if (width > 0 && lower.current) draw(prepared(lower.current, size), size);
  }, [width, height, ratio, ...when]);
  useLayoutEffect(() => {
    if (width > 0 && upper.current) over?.(prepared(upper.current, size), size);
  }, [width, height, ratio, ...when, ...overWhen]);
  const style = { width: `${width}px`, height: `${height}px` };
  return html`<div class="picture" ref=${box} style=${{ height: `${height}px` }}>
    <canvas class="lower" aria-hidden="true" ref=${lower} style=${style} />
    <canvas class="upper" tabindex="0" role="application" aria-label=${label} ref=${upper} style=${style} ...${on} />
    ${children}
  </div>`;
}

/**
 * A picture with its sentence, or the same as a table.
 * @param {object} props
 * @param {string} props.name
 * @param {any} props.sentence
 * @param {any} [props.controls]
 * @param {() => any} props.table
 * @param {any} props.children
 */
export function Figure({ name, sentence, controls, table, children }) {
  const [asTable, setAsTable] = useState(false);
  return html`<figure class="figure" aria-label=${name}>
    <div class="figure-head">
      <figcaption>${sentence}</figcaption>
      <div class="figure-controls">
        ${controls}
        <button type="button" aria-pressed=${asTable} onClick=${() => setAsTable(!asTable)}>${asTable ? "As a picture" : "As a table"}</button>
      </div>
    </div>
    ${asTable ? html`<div class="scroll" tabindex="0" role="region" aria-label="${name} as a table">${table()}</div>` : children}
  </figure>`;
}

/**
 * A plain table.
 * @param {object} props
 * @param {string[]} props.heads
 * @param {any[][]} props.rows
 */
export function PlainTable({ heads, rows }) {
  return html`<table>
    <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
  </table>`;
}

/**
 * A switch of a picture, kept in the URL as "1" or "".
 * @param {object} props
 * @param {{value: string}} props.param
 * @param {string} props.children its words
 * @param {string} [props.title]
 */
export function Switch({ param, title, children }) {
  const on = param.value === "1";
  return html`<button type="button" title=${title} aria-pressed=${on} onClick=${() => (param.value = on ? "" : "1")}>
    ${children}
  </button>`;
}

/** What to do where there is nothing to draw. @param {{children: any}} props */
export function Nothing({ children }) {
  return html`<p class="nothing">${children}</p>`;
}
