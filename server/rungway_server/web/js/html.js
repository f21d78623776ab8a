/** Everything a view needs to be one: elements as templates, hooks, and the value of a signal. */

import { h } from "../vendor/preact.js";
import { useEffect, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";

export { render } from "../vendor/preact.js";
export { useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
export { batch, computed, effect, signal, untracked } from "../vendor/signals.js";

/** Elements from a template: html`<p class="x">${text}</p>`. Texts stay texts, whatever they contain. */
export const html = /** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */ (/** @type {unknown} */ (htm.bind(h)));

/**
 * The value of a signal; the component is drawn again whenever it changes.
 * @template T
 * @param {{value: T, peek(): T, subscribe(listener: (value: T) => void): () => void}} signal
 * @returns {T}
 */
export function useSignal(signal) {
  const [, redraw] = useState(/** @type {any} */ (signal.peek()));
  useEffect(() => signal.subscribe((value) => redraw(() => value)), [signal]);
  return signal.peek();
}
