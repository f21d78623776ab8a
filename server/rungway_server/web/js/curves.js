/** The view "Curves". */

import { html } from "./html.js";

/** @param {{store: import("./store.js").Store}} props */
export function Curves({ store }) {
  return html`<p class="empty">This view is not there yet.</p>`;
}
