/** A modal dialog: the browser's own, which keeps the focus inside and closes with Esc. */

import { html, useEffect, useId, useRef } from "./html.js";

/** @param {{title: string, onClose: () => void, children: any}} props */
export function Dialog({ title, onClose, children }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null)), id = useId();
  useEffect(() => {
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    ref.current?.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${ref} aria-labelledby=${id} onClose=${onClose}
      onClick=${(/** @type {any} */ event) => { if (event.target === ref.current) onClose(); }}>
    <div class="dialog"><div class="head"><h2 id=${id}>${title}</h2>
      <button class="quiet" aria-label="Close" onClick=${onClose}>✕</button></div>
    ${children}</div>
  </dialog>`;
}

/** Ask before something is done. @param {{title: string, yes: string, danger?: boolean, busy?: boolean, problem?: string, onYes: () => void, onClose: () => void, children: any}} props */
export function Confirm({ title, yes, danger = false, busy = false, problem = "", onYes, onClose, children }) {
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form method="dialog" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); onYes(); }}>
      ${children}
      <p class="error" role="alert">${problem}</p>
      <div class="foot"><button type="button" onClick=${onClose}>Cancel</button>
        <button class=${danger ? "danger" : "primary"} disabled=${busy}>${yes}</button></div>
    </form>
  <//>`;
}
