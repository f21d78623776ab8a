/** A text with numbered lines; what is wrong is marked at its line. */

import { html, useRef, useState } from "./html.js";

/** The line (from 1) of a violation: as its text says, or where the last name of its path is; 0 = unknown. @param {string} text @param {{field: string, description: string}} error */
export function lineOf(text, { field, description }) {
  const said = /\bline (\d+)/.exec(description);
  if (said) return Number(said[1]);
  const lines = text.split("\n");
  let from = 0, found = 0;
  for (const [, quoted, plain] of field.matchAll(/`([^`]+)`|([^.[\]`]+)/g)) {
    const name = (quoted || plain).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const at = lines.findIndex((line, i) => i >= from && new RegExp(`(^|[\\s{,"'])${name}["']?\\s*:`).test(line));
    if (at < 0) continue;
    from = at;
    found = at + 1;
  }
  return found;
}

/** @param {{text: string, onText: (text: string) => void, errors: {field: string, description: string}[], onProblem: (text: string) => void, largest: number}} props */
export function Editor({ text, onText, errors, onProblem, largest }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null)), gutter = useRef(/** @type {HTMLElement | null} */ (null));
  const [over, setOver] = useState(false);
  const lines = text.split("\n"), found = errors.map((error) => ({ ...error, line: lineOf(text, error) })), wrong = new Set(found.map((error) => error.line));
  const take = async (/** @type {File | undefined} */ file) => {
    setOver(false);
    if (!file) return;
    if (file.size > largest) onProblem(`${file.name} has ${file.size} bytes; a configuration has at most ${largest}.`);
    else onText(await file.text());
  };
  const goTo = (/** @type {number} */ line) => {
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    area.current?.focus();
    area.current?.setSelectionRange(start, start + (lines[line - 1] || "").length);
  };
  const described = errors.length ? "editor-errors" : null;
  return html`<div class=${`editor${over ? " over" : ""}`}
      onDragOver=${(/** @type {DragEvent} */ e) => { e.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)}
      onDrop=${(/** @type {DragEvent} */ e) => { e.preventDefault(); take(e.dataTransfer?.files[0]); }}>
    <div class="gutter" aria-hidden="true" ref=${gutter}>${lines.map((_, i) => html`<span class=${wrong.has(i + 1) ? "wrong" : ""}>${i + 1}</span>`)}</div>
    <textarea ref=${area} aria-label="Configuration" spellcheck=${false} wrap="off" rows="22" value=${text} placeholder="Paste it here, or drop a file"
      aria-invalid=${errors.length > 0} aria-describedby=${described}
      onScroll=${() => { if (gutter.current && area.current) gutter.current.scrollTop = area.current.scrollTop; }}
      onInput=${(/** @type {any} */ e) => onText(e.target.value)}></textarea></div>
    <p><label>Or take a file <input type="file" accept=".yaml,.yml,.json,text/*" onChange=${(/** @type {any} */ e) => { take(e.target.files[0]); e.target.value = ""; }} /></label></p>
    ${found.length > 0 && html`<div id="editor-errors" role="alert"><ul class="errors">${found.map((error) => html`<li>
      ${error.line > 0 && html`<button type="button" onClick=${() => goTo(error.line)}>Line ${error.line}</button> `}
      ${error.field && html`<code>${error.field}</code>: `}${error.description}</li>`)}</ul></div>`}`;
}
