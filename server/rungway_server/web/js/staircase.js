/** A plan as a picture: the ladder of each bracket, its rungs as wide as the trials that reach them. */

import { count, many } from "./format.js";
import { html, useSignal } from "./html.js";
import { rungColour, themeOf } from "./theme.js";

const COLUMN = 150, ROW = 30, LEFT = 64, TOP = 8, BELOW = 44;

/** How many trials reach each length. @param {any[]} rows by growing length @returns {{length: number, trials: number}[]} */
export function reaching(rows) {
  let sum = 0;
  return rows.map(({ length, trials }) => ({ length, trials })).reverse().map(({ length, trials }) => ({ length, trials: (sum += trials) })).reverse();
}

/** @param {{store: import("./store.js").Store, preview: any}} props */
export function Staircase({ store, preview }) {
  const theme = themeOf(useSignal(store.theme)), { plan, brackets } = preview;
  const lengths = [...new Set(plan.brackets.flatMap((/** @type {any} */ each) => each.rungs.map((/** @type {any} */ rung) => rung.length)))].sort((a, b) => a - b);
  const width = LEFT + COLUMN * brackets.length, height = TOP + ROW * lengths.length + BELOW;
  const y = (/** @type {number} */ length) => TOP + ROW * (lengths.length - 1 - lengths.indexOf(length));
  return html`<figure><figcaption>${brackets.length > 1 ? "A column per bracket" : "One bracket"}; the wider a bar, the more trials train to that many ${plan.unit} or further.</figcaption>
    <div class="scroll" tabindex="0" role="region" aria-label="Picture of the brackets"><svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img"
      aria-label=${`${many(brackets.length, "bracket")}, ${many(lengths.length, "length")}: ${lengths.map(count).join(", ")} ${plan.unit}`}>
      ${lengths.map((length) => html`<text x=${LEFT - 10} y=${y(length) + ROW / 2 + 1} class="axis" text-anchor="end">${count(length)}</text>
        <line x1=${LEFT} x2=${width} y1=${y(length) + ROW / 2 - 3} y2=${y(length) + ROW / 2 - 3} stroke=${theme.line} stroke-dasharray="1 4" />`)}
      ${brackets.map((/** @type {any} */ bracket, /** @type {number} */ column) => {
        const middle = LEFT + COLUMN * (column + 0.5), rows = reaching(bracket.rows), most = Math.max(1, ...rows.map((row) => row.trials));
        return html`${rows.map((row) => {
          const wide = row.trials ? Math.max(3, (COLUMN - 24) * row.trials / most) : 0, inside = wide > 44;
          return html`<rect x=${middle - wide / 2} y=${y(row.length) + 3} width=${wide} height=${ROW - 12} rx="2" fill=${rungColour(theme, lengths.indexOf(row.length), lengths.length)} />
            <text x=${inside ? middle : middle + wide / 2 + 5} y=${y(row.length) + ROW / 2 + 1} class=${inside ? "label" : "label out"} fill=${inside ? inkOn(rungColour(theme, lengths.indexOf(row.length), lengths.length)) : theme.ink}
              text-anchor=${inside ? "middle" : "start"}>${count(row.trials)}</text>`;
        })}
        <text x=${middle} y=${height - BELOW + 16} class="axis" text-anchor="middle">${brackets.length > 1 ? `Bracket ${column}` : "Trials"}</text>
        <text x=${middle} y=${height - BELOW + 32} class="axis" text-anchor="middle">${many(bracket.maxTrials, "trial")}</text>`;
      })}
      <text x="4" y=${height - BELOW + 16} class="axis">${plan.unit}</text>
    </svg></div></figure>`;
}

/** The ink that is legible on a colour. @param {string} colour */
function inkOn(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#10141a" : "#ffffff";
}

/** What a search trains, as a table. @param {{preview: any}} props */
export function PreviewTable({ preview }) {
  const { plan, total, totalLength, randomSearchLength } = preview, rows = reaching(total), share = totalLength / randomSearchLength;
  return html`<div class="scroll"><table><thead><tr><th class="number">Length (${plan.unit})</th><th class="number">Trials that end there</th><th class="number">Trials that reach it</th></tr></thead>
      <tbody>${total.map((/** @type {any} */ row, /** @type {number} */ i) => html`<tr><td class="number">${count(row.length)}</td><td class="number">${count(row.trials)}</td><td class="number">${count(rows[i].trials)}</td></tr>`)}</tbody>
    </table></div>
    <p><strong>${count(totalLength)} ${plan.unit} in all</strong>, ${(100 * share).toPrecision(3)} % of the ${count(randomSearchLength)} that a random search with as many trials would train.</p>`;
}
