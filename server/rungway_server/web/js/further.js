/** Further metrics of reports: which of them a curve shows in place of the searcher's metric. */
import { html } from "./html.js";

const COST = "=cost"; // names of further metrics may be anything, and one of this name would be shown as the cost

/** What is asked of GetCurves. @param {string} which */
export const asked = (which) => (which === COST ? { cost: true } : which ? { metric: which } : {});

/** What is shown, for people. @param {string} which @param {string} metric the searcher's */
export const titled = (which, metric) => (which === COST ? "cost (s)" : which || metric);

/**
 * Lets a user choose; nothing where a search has none.
 * @param {{which: string, metric: string, metrics: string[], hasCost: boolean, choose: (which: string) => void}} props
 */
export function Further({ which, metric, metrics, hasCost, choose }) {
  const others = [...metrics, ...(hasCost ? [COST] : [])];
  if (!others.length && !which) return null;
  const option = (/** @type {string} */ each) => html`<option value=${each} selected=${which === each}>${titled(each, metric)}</option>`;
  return html`<label>Shown: <select onChange=${(/** @type {any} */ event) => choose(event.target.value)}>${["", ...others].map(option)}</select></label> `;
}
