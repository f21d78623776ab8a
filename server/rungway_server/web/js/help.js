/** All keys, and how filters are written. */

import { Dialog } from "./dialog.js";
import { html } from "./html.js";

const KEYS = [
  ["1 … 8", "Ladder, Overview, Curves, Parameters, Trials, Trial, Workers, Front (of several objectives)"], ["/", "to the filter"],
  ["j, k", "next and previous row"], ["Enter", "open"], ["x", "select the row, to compare"],
  ["arrows", "move in a picture"], ["f", "hold the picture still, or go on"], ["?", "this help"], ["Esc", "close, leave a field"],
];
const FILTERS = [
  ["lr > 1e-3 and state = paused", "hyperparameters and columns by name"],
  ["best < 0.2 or not (bracket = 0)", "and, or, not, parentheses"],
  ["kind in (adam, sgd)", "one of several"], ["worker ~ gpu-1", "contains"],
  ["momentum is not set", "a hyperparameter under a condition that a trial does not have"],
];

/** @param {{onClose: () => void}} props */
export function Help({ onClose }) {
  const list = (/** @type {string[][]} */ rows) => html`<dl>${rows.map(([term, text]) => html`<div><dt><kbd>${term}</kbd></dt><dd>${text}</dd></div>`)}</dl>`;
  return html`<${Dialog} title="Keys and filters" onClose=${onClose}>
    ${list(KEYS)}
    <h3>Filters</h3>
    ${list(FILTERS)}
    <p class="soft">A filter, and what you brush in a picture, counts in every view. Everything you set is in the address of the page: send it, and others see the same.</p>
  <//>`;
}
