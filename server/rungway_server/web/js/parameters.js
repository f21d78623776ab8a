/** What the hyperparameters do: all at once, two at a time, and how much each matters. */
import { HeatMap } from "./heatmap.js";
import { html, useState } from "./html.js";
import { Importance } from "./importance.js";
import { Parallel } from "./parallel.js";

/** @param {{store: any}} props */
export function Parameters({ store }) {
  // The first answer decides, so that news do not change what is shown.
  const [ranking, setRanking] = useState(/** @type {string[]} */ ([]));
  return html`<section class="parameters">
    <${Parallel} store=${store} />
    <h2>What matters</h2>
    <${Importance} store=${store} onRanking=${(/** @type {string[]} */ names) => setRanking((/** @type {any} */ known) => (known.length ? known : names))} />
    <h2>Two at a time</h2>
    <${HeatMap} store=${store} ranking=${ranking} />
  </section>`;
}
