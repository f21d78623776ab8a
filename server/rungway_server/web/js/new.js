/** The view "NewSearch". */

import { html } from "./html.js";

/** @param {{store: import("./store.js").Store}} props */
export function NewSearch({ store }) {
  return html`<p class="empty">This view is not there yet.</p>`;
}
