/**
 * Workers over time: the picture that explains asynchronous promotion. A worker that has told a result takes whatever
 * may go on at once; nobody waits for a round to end.
 */
import { useEventLog } from "./eventlog.js";
import { Figure, Nothing, Picture, placeOf, PlainTable } from "./figure.js";
import { count, duration, goalOf, many, number, percent } from "./format.js";
import { html, useMemo, useRef, useSignal, useState } from "./html.js";
import { drawRange } from "./ladder_over.js";
import { paletteOf } from "./palette.js";
import { rangeIn } from "./ladder.js";
import { Scrubber } from "./scrubber.js";
import { Card, TrialCard } from "./trialcard.js";
import { AXIS, drawWorkers, rowHeightOf, timeOf, TOP, xOf } from "./workers_draw.js";
import { ENDINGS, Leases, OPEN } from "./workers_model.js";

const MOST_ROWS = 1000, LEAST_DRAG = 6;

/** @param {{store: any}} props */
export function Workers({ store }) {
  const experiment = useSignal(store.experiment), reading = useEventLog(store, true);
  const [time, setTime] = useState(/** @type {number | null} */ (null));
  // Held still: what comes later than this is not drawn.
  const frozen = useSignal(store.frozen), held = useRef(0);
  useSignal(store.tick);
  if (!experiment?.plan || !reading) return html`<${Nothing}>The search is not read yet.</${Nothing}>`;
  if (reading.state.value === "failed") return html`<p class="error" role="alert">The event log could not be read: ${reading.problem}</p>`;
  const { log } = reading;
  if (!log.count) {
    return html`<${Nothing}>${reading.state.value === "reading" ? "Reading the event log …" : "No worker has asked for work yet. Start one: its leases appear here as it asks."}</${Nothing}>`;
  }
  const last = log.time[log.count - 1], over = /STOPPED|DONE/.test(experiment.state);
  if (!frozen) held.current = 0;
  else held.current ||= last;
  const live = held.current || (over ? last : Math.max(last, store.now.value)), now = time === null ? live : Math.max(time, log.time[0]);
  return html`<section class="workers">
    <${WorkersFigure} store=${store} experiment=${experiment} log=${log} now=${now} past=${time !== null} reading=${reading.state.value === "reading"} count=${log.count} />
    ${time === null
      ? html`<button type="button" class="replay" onClick=${() => setTime(log.time[0])}>Replay from the beginning</button>`
      : html`<${Scrubber} reading=${reading} time=${now} onTime=${setTime} onLive=${() => setTime(null)} />`}
  </section>`;
}

/** The share of the ladder for each rung: of brackets with unlike rungs, equal lengths have equal colours. @param {any} plan */
export function levelsOf(plan) {
  const lengths = [...new Set(plan.brackets.flatMap((/** @type {any} */ each) => each.rungs.map((/** @type {any} */ rung) => rung.length)))].sort((a, b) => a - b);
  /** @type {number[]} */
  const levels = [];
  plan.brackets.forEach((/** @type {any} */ bracket, /** @type {number} */ b) => bracket.rungs.forEach((/** @type {any} */ rung, /** @type {number} */ k) => {
    levels[b * 64 + k] = lengths.length > 1 ? lengths.indexOf(rung.length) / (lengths.length - 1) : 1;
  }));
  return { levels, lengths };
}

/** @param {any} props */
function WorkersFigure({ store, experiment, log, now, past, reading, count: events }) {
  const theme = useSignal(store.theme), mask = useSignal(store.mask), zoom = store.param("workers.zoom", ""), range = rangeIn(useSignal(zoom));
  const leases = useMemo(() => new Leases(log), [log]).update();
  const { levels, lengths } = useMemo(() => levelsOf(experiment.plan), [experiment.plan.brackets.length]);
  const [size, setSize] = useState({ width: 0, height: 0 }), [focus, setFocus] = useState(/** @type {any} */ (null)), [drag, setDrag] = useState(/** @type {any} */ (null));
  const palette = paletteOf(theme), { trials } = store, rows = Math.min(MOST_ROWS, leases.rows.length), rowHeight = rowHeightOf(rows);
  const first = log.time[0], end = past ? Math.max(now, log.time[log.count - 1]) : now;
  const span = { from: range ? range[0] : first, to: range ? range[1] : Math.max(end, first + 1000), width: size.width, rows, rowHeight, left: Math.min(120, size.width * 0.28) };
  const shown = (/** @type {number} */ trial) => !mask || (mask[trials.rowOf(trial)] ?? 1) === 1;
  const at = focusOf(leases, span, focus, now);
  const over = (/** @type {CanvasRenderingContext2D} */ context, /** @type {any} */ space) => {
    if (at.bar >= 0) outline(context, leases, at, span, now, palette);
    if (drag?.to !== undefined) drawRange(context, drag, space.height - AXIS, palette);
  };
  const on = {
    ...pointerOf({ span, drag, setDrag, setFocus, leases, now, store, zoom }),
    onKeyDown: (/** @type {KeyboardEvent} */ event) => onKey(event, { leases, at, rows, setFocus, store, now }),
  };
  const words = useMemo(() => sentence(leases, now, { range, mask, rows, reading, first }), [leases, events, now, zoom.value, mask, rows, reading]);
  const controls = range && html`<button type="button" onClick=${() => (zoom.value = "")}>Whole time</button>`;
  return html`<${Figure} name="workers over time" controls=${controls} table=${() => workersTable(leases, now)}
    sentence=${words}>
    <p class="legend"><span>bars: leases, training towards ${lengths.map((/** @type {number} */ length, /** @type {number} */ k) => html`<i class="swatch" style=${{ background: palette.rung(lengths.length > 1 ? k / (lengths.length - 1) : 1) }}></i> ${number(length)} `)} ${experiment.plan.unit}</span>
      <span><i style=${{ color: palette.bad }}>×</i> lost or failed</span><span>dashed: ${past ? "the time of the replay" : "now"}</span></p>
    <${Picture} height=${TOP + rows * rowHeight + AXIS} onSize=${setSize}
      label="Workers over time. Up and down go through the rows, left and right through their leases, Enter opens the trial."
      draw=${(/** @type {any} */ context) => drawWorkers(context, leases, span, now, levels, palette, shown)}
      when=${[events, now, theme, mask, zoom.value, size.width]} over=${over} overWhen=${[focus, drag]} on=${on}>
      ${at.bar >= 0 && !drag && html`<${LeaseCard} ...${{ leases, at, span, size, now, trials, experiment }} />`}
    </${Picture}>
  </${Figure}>`;
}

/** @param {any} leases @param {number} now @param {any} more */
function sentence(leases, now, { range, mask, rows, reading, first }) {
  const running = leases.to.reduce((/** @type {number} */ sum, /** @type {number} */ to, /** @type {number} */ bar) => sum + Number(to > now && leases.from[bar] <= now), 0);
  // In a replay, and while the picture is held still, some come later.
  const workers = leases.byWorker.filter((/** @type {number[]} */ bars) => leases.from[bars[0]] <= now).length;
  const parts = [`${many(workers, "worker")} in ${duration((now - first) / 1000)}: ${running} at work, trials held ${percent(leases.busy(first, now))} of the time, ${many(leases.lostBy(now), "lease")} lost.`];
  const several = leases.rowsBy(now).filter((/** @type {any} */ row) => row.lane === 1).length;
  if (several) parts.push(`${count(several)} of them held several trials at once: a row for each.`);
  if (leases.rows.length > rows) parts.push(`The first ${count(rows)} rows are shown.`);
  if (range) parts.push("A part of the time is shown.");
  if (mask) parts.push("Trials outside the brush are pale.");
  if (reading) parts.push(`Reading the event log: ${many(leases.read, "event")} so far.`);
  return parts.join(" ");
}

/** The bar in focus: by pointer a place, by keys a bar. @param {any} leases @param {any} span @param {any} focus @param {number} now */
function focusOf(leases, span, focus, now) {
  if (!focus) return { row: -1, bar: -1 };
  if (focus.bar !== undefined) return { row: leases.rowOf(focus.bar), bar: focus.bar };
  const row = Math.floor((focus.y - TOP) / span.rowHeight), time = timeOf(span, focus.x);
  return { row, bar: focus.x < span.left || time > now ? -1 : leases.at(row, time) };
}

/** @param {CanvasRenderingContext2D} context @param {any} leases @param {any} at @param {any} span @param {number} now @param {any} palette */
function outline(context, leases, at, span, now, palette) {
  // All leases of the same trial, so that its way from worker to worker is seen.
  context.lineWidth = 2;
  for (let bar = 0; bar < leases.count; bar++) {
    if (leases.trial[bar] !== leases.trial[at.bar] || leases.from[bar] > now) continue;
    const row = leases.rowOf(bar);
    if (row >= span.rows) continue;
    const left = Math.max(span.left, xOf(span, leases.from[bar])), right = Math.min(span.width - 8, xOf(span, Math.min(now, leases.to[bar])));
    if (right < left) continue;
    context.strokeStyle = bar === at.bar ? palette.accent : palette.ink;
    context.strokeRect(left - 0.5, TOP + row * span.rowHeight - 1, Math.max(3, right - left), Math.max(4, span.rowHeight - 1));
  }
}

/** @param {any} props */
function LeaseCard({ leases, at, span, size, now, trials, experiment }) {
  const { bar } = at, row = trials.rowOf(leases.trial[bar]), end = Math.min(now, leases.to[bar]);
  const x = Math.min(size.width - 8, Math.max(span.left, xOf(span, (leases.from[bar] + end) / 2)));
  const ending = leases.to[bar] > now ? OPEN : leases.ending[bar];
  const words = `${leases.log.workers[leases.worker[bar]]} held it ${duration((end - leases.from[bar]) / 1000)} towards rung ${leases.rung[bar]} of bracket ${leases.bracket[bar]}: ${ENDINGS[ending]}.`;
  return html`<${Card} place=${{ x, y: TOP + at.row * span.rowHeight, ...size }}>
    ${row >= 0 ? html`<${TrialCard} trials=${trials} row=${row} unit=${experiment.plan.unit || "length"} metric=${goalOf(experiment).metric} more=${words} />`
      : html`<strong>trial ${leases.trial[bar]}</strong> ${words}`}
  </${Card}>`;
}

/** @param {any} leases @param {number} now */
function workersTable(leases, now) {
  const rows = leases.byWorker.map((/** @type {number[]} */ bars, /** @type {number} */ worker) => {
    const seen = bars.filter((bar) => leases.from[bar] <= now), held = seen.reduce((sum, bar) => sum + Math.min(now, leases.to[bar]) - leases.from[bar], 0);
    const open = seen.filter((bar) => leases.to[bar] > now).map((bar) => `trial ${leases.trial[bar]}`).join(", ");
    return [leases.log.workers[worker], seen.length, duration(held / 1000), seen.filter((bar) => leases.ending[bar] >= 5 && leases.to[bar] <= now).length, open || "–"];
  });
  return html`<${PlainTable} heads=${["worker", "stretches of training", "time at work", "lost or failed", "holds now"]} rows=${rows} />`;
}

/** @param {any} state */
function pointerOf({ span, drag, setDrag, setFocus, leases, now, store, zoom }) {
  return {
    onPointerDown: (/** @type {PointerEvent} */ event) => {
      const { x } = placeOf(event);
      if (event.button === 0 && x > span.left) setDrag({ from: x });
    },
    onPointerMove: (/** @type {PointerEvent} */ event) => {
      const place = placeOf(event);
      if (drag && event.buttons && (drag.to !== undefined || Math.abs(place.x - drag.from) > LEAST_DRAG)) setDrag({ ...drag, to: place.x });
      else if (!drag) setFocus(place);
    },
    onPointerUp: (/** @type {PointerEvent} */ event) => {
      if (drag?.to !== undefined) {
        const [from, to] = [drag.from, drag.to].map((x) => Math.round(timeOf(span, x))).sort((one, other) => one - other);
        if (to > from) zoom.value = `${from}~${to}`;
      } else if (drag) {
        const { bar } = focusOf(leases, span, placeOf(event), now);
        if (bar >= 0) store.go({ view: "trial", trial: leases.trial[bar] });
      }
      setDrag(null);
    },
    onPointerLeave: () => { if (!drag) setFocus(null); },
    onDblClick: () => (zoom.value = ""),
  };
}

/** @param {KeyboardEvent} event @param {any} state */
function onKey(event, { leases, at, rows, setFocus, store, now }) {
  const { key } = event;
  if (key === "Escape") return setFocus(null);
  if (key === "Enter" && at.bar >= 0) return store.go({ view: "trial", trial: leases.trial[at.bar] });
  const step = { ArrowLeft: -1, ArrowRight: 1 }[key], turn = { ArrowUp: -1, ArrowDown: 1 }[key];
  if (!step && !turn) return undefined;
  event.preventDefault();
  const row = Math.max(0, Math.min(rows - 1, at.row < 0 ? 0 : at.row + (turn ?? 0)));
  const bars = (leases.rows[row]?.bars ?? []).filter((/** @type {number} */ bar) => leases.from[bar] <= now);
  if (!bars.length) return undefined;
  const here = at.bar >= 0 ? (turn ? bars.findLastIndex((/** @type {number} */ bar) => leases.from[bar] <= leases.from[at.bar]) : bars.indexOf(at.bar)) : bars.length - 1;
  return setFocus({ bar: bars[Math.max(0, Math.min(bars.length - 1, Math.max(0, here) + (at.bar >= 0 ? step ?? 0 : 0)))] });
}
