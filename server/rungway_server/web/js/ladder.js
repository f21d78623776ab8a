/**
 * The ladder: a column for each bracket, a row for each rung. It shows what no list of trials shows: how many results a
 * rung has, who may go on, and each promotion as it happens; and the same of the past.
 */
import { Decisions, linesOf, linesOfLog } from "./decisions.js";
import { useEventLog } from "./eventlog.js";
import { Figure, Nothing, Picture, placeOf, PlainTable, still, Switch } from "./figure.js";
import { drawLadder, rungWords } from "./ladder_draw.js";
import { GUTTER, heightOf, hit, layoutOf, pathOf, xOf, stripTop } from "./ladder_layout.js";
import { FAILED, ladderModel, rankedPlaces, rankIn, STOPPED, WAITS, WORDS } from "./ladder_model.js";
import { drawFlights, drawPath, drawRange, Promotions } from "./ladder_over.js";
import { paletteOf } from "./palette.js";
import { Replay } from "./replay.js";
import { goalOf, many, number } from "./format.js";
import { allowsLog } from "./scale.js";
import { Scrubber } from "./scrubber.js";
import { Card, TrialCard } from "./trialcard.js";
import { html, useEffect, useMemo, useRef, useState, useSignal } from "./html.js";

const LINES = 20, LEAST_DRAG = 6;

/** @param {{store: any}} props */
export function Ladder({ store }) {
  const experiment = useSignal(store.experiment), version = useSignal(store.version), events = useSignal(store.events), trials = store.trials;
  const [time, setTime] = useState(/** @type {number | null} */ (null));
  const reading = useEventLog(store, time !== null);
  if (!experiment?.plan) return html`<${Nothing}>The search is not read yet.</${Nothing}>`;
  const log = reading?.log, past = time !== null && log?.count ? Math.max(time, log.time[0]) : null;
  return html`<section class="ladder">
    <${LadderFigure} store=${store} experiment=${experiment} trials=${trials} version=${version} log=${log} past=${past} />
    ${time === null
      ? html`<button type="button" class="replay" onClick=${() => setTime(0)}>Replay from the beginning</button>`
      : html`<${Scrubber} reading=${reading} time=${past ?? 0} onTime=${setTime} onLive=${() => setTime(null)} />`}
    <h2>The last decisions${past !== null ? " of then" : ""}</h2>
    <${Decisions} store=${store}
      lines=${past !== null && log ? linesOfLog(log, log.until(past), LINES) : linesOf(events, LINES)} />
  </section>`;
}

/** The zoom in the URL. @param {string} text @returns {number[] | null} */
export function rangeIn(text) {
  const range = text.split("~").map(Number);
  return text && range.length === 2 && range[0] < range[1] ? range : null;
}

/** @param {any} props */
function LadderFigure({ store, experiment, trials, version, log, past }) {
  const theme = useSignal(store.theme), mask = useSignal(store.mask), selected = useSignal(store.selected);
  const logScale = store.param("ladder.log", ""), clip = store.param("ladder.clip", "1"), zoom = store.param("ladder.zoom", "");
  const useLog = useSignal(logScale) === "1", useClip = useSignal(clip) === "1", range = rangeIn(useSignal(zoom));
  const replay = useMemo(() => (log ? new Replay(log) : null), [log]);
  const model = useMemo(() => {
    if (past !== null && replay) replay.seek(past);
    return ladderModel(experiment, past !== null && replay ? replay : trials, useClip);
  }, [experiment, trials, version, past, replay, useClip]);
  const [size, setSize] = useState({ width: 0, height: 0 }), [scroll, setScroll] = useState(0);
  const [focus, setFocus] = useState(/** @type {any} */ (null)), [drag, setDrag] = useState(/** @type {any} */ (null));
  const layout = layoutOf(model, size.width, { scroll, log: useLog, zoom: range });
  const palette = paletteOf(theme), flights = useFlights(trials, model, version, past === null);
  const shown = (/** @type {number} */ trial) => !mask || (mask[trials.rowOf(trial)] ?? 1) === 1;
  const keys = { model, layout, focus, setFocus, store, setScroll, width: size.width };
  const pointer = pointerOf({ model, layout, drag, setDrag, setFocus, setScroll, store, zoom, focus });
  const over = (/** @type {CanvasRenderingContext2D} */ context) => {
    [...selected].forEach((trial, k) => drawPath(context, layout, model, trial, palette.selected[k % 8], false));
    if (focus) drawPath(context, layout, model, focus.trial, palette.ink, true);
    flights.draw(context, layout, palette);
    if (drag?.to !== undefined) drawRange(context, drag, layout.height - 24, palette);
  };
  const controls = html`
    ${allowsLog(model.domain) && html`<${Switch} param=${logScale} title="logarithmic scale of the metric">Log</${Switch}>`}
    <${Switch} param=${clip} title="leave values far out at the edge">Clip</${Switch}>
    ${range && html`<button type="button" onClick=${() => (zoom.value = "")}>Whole range</button>`}`;
  const wide = layout.totalWidth > size.width && size.width > 0;
  return html`<${Figure} name="ladder" sentence=${sentence(model, experiment, trials, range, layout, mask)} controls=${controls} table=${() => ladderTable(model)}>
    <${Legend} palette=${palette} form=${model.form} />
    <${Picture} height=${heightOf(model.lengths.length)} onSize=${setSize}
      label="Ladder. Arrow keys go through results and rungs, Page Up and Page Down through brackets, Enter opens the trial, Space selects it."
      draw=${(/** @type {any} */ context, /** @type {any} */ space) => drawLadder(context, space, model, layout, palette, shown)} when=${[model, useLog, theme, mask, zoom.value, layout.scroll, size.width]}
      over=${over} overWhen=${[focus, drag, selected, flights.beat]}
      on=${{ ...pointer, onKeyDown: (/** @type {KeyboardEvent} */ event) => onKey(event, keys) }}>
      ${focus && !drag && html`<${FocusCard} ...${{ model, layout, focus, trials, experiment, size }} />`}
      ${!model.results && !model.running && html`<div class="over"><${Nothing}>No trial has begun. Start a worker: its first ask begins the search.</${Nothing}></div>`}
    </${Picture}>
    ${wide && html`<input class="pan" type="range" min="0" max=${layout.totalWidth - size.width} value=${layout.scroll} aria-label="brackets that are shown"
      onInput=${(/** @type {any} */ event) => setScroll(Number(event.target.value))} />`}
  </${Figure}>`;
}

/** Flights of promotions, drawn for as long as they last. @param {any} trials @param {any} model @param {number} version @param {boolean} live */
function useFlights(trials, model, version, live) {
  const promotions = useRef(new Promotions()), flying = useRef(/** @type {any[]} */ ([])), [beat, setBeat] = useState(0);
  useEffect(() => {
    const found = promotions.current.since(trials, model, performance.now());
    if (!live || still() || !found.length) return undefined;
    flying.current.push(...found);
    let frame = requestAnimationFrame(function step() {
      setBeat((/** @type {number} */ each) => each + 1);
      if (flying.current.length) frame = requestAnimationFrame(step);
    });
    return () => cancelAnimationFrame(frame);
  }, [trials, version]);
  const draw = (/** @type {any} */ context, /** @type {any} */ layout, /** @type {any} */ palette) => {
    flying.current = drawFlights(context, layout, model, flying.current, performance.now(), palette);
  };
  return { beat, draw };
}

/** @param {any} props */
function FocusCard({ model, layout, focus, trials, experiment, size }) {
  const row = trials.rowOf(focus.trial), place = pathOf(layout, model, focus.trial).at(-1) ?? { x: 0, y: 0 };
  if (row < 0) return null;
  const rung = model.brackets[focus.bracket]?.rungs[focus.rung];
  let more = null, at = place;
  if (rung && focus.at >= 0 && focus.at < rung.count) {
    const metric = rung.metrics[focus.at];
    at = { x: xOf(layout, focus.bracket, metric), y: stripTop(layout, rung.length) + layout.stripHeight / 2 };
    more = html`rung ${rung.rung} (${number(rung.length)} ${model.unit}): ${number(metric, 6)}, rank ${rankIn(rung, metric, model.smaller)} of ${rung.count}, ${
      WORDS[rung.fates[focus.at]]}${rung.quota ? `; the best ${rung.quota} may go on, cut-off ${number(rung.cutoff)}` : ""}`;
  }
  return html`<${Card} place=${{ ...at, ...size }}>
    <${TrialCard} trials=${trials} row=${row} unit=${model.unit} metric=${goalOf(experiment).metric} more=${more} />
  </${Card}>`;
}

/** @param {any} props */
function Legend({ palette, form }) {
  const mark = (/** @type {string} */ sign, /** @type {string} */ words) => html`<span><i aria-hidden="true">${sign}</i> ${words}</span>`;
  return html`<p class="legend">
    ${mark("●", "went on, or at the top")}${mark("○", "waits")}${mark("×", "stopped or failed")}
    <span><i class="band" style=${{ background: palette.band, borderRight: `2px solid ${palette.accent}` }}></i> ${form === "DECISION_FORM_STOP" ? "goes on when it comes" : "may go on"}, up to the cut-off</span>
    ${mark("◉", "between rungs: running (hollow: nothing told yet, its place sideways means nothing)")}<span>top of the picture: the longest training; left: the best</span>
  </p>`;
}

/** @param {any} model @param {any} experiment @param {any} trials @param {number[] | null} range @param {any} layout @param {any} mask */
function sentence(model, experiment, trials, range, layout, mask) {
  const { domain, results, running, brackets } = model, name = goalOf(experiment).metric;
  const parts = [`${many(results, "result")} at ${many(model.lengths.length, "length")} in ${many(brackets.length, "bracket")}, ${running} running.`];
  if (model.bestTrial >= 0) parts.push(`The best ${name} at a rung is ${number(model.bestMetric)}, of trial ${model.bestTrial}; ${model.smaller ? "smaller" : "larger"} is better.`);
  const none = results - domain.count, beyond = domain.below + domain.above;
  if (range) parts.push(`Only ${number(layout.scale.lo)} to ${number(layout.scale.hi)} is shown.`);
  else if (beyond) parts.push(`${many(beyond, "result")} far out ${beyond === 1 ? "stands" : "stand"} at the edge (${number(domain.min)} to ${number(domain.max)}).`);
  if (none > 0) parts.push(`${many(none, "result")} without a number ${none === 1 ? "stands" : "stand"} at the right end.`);
  if (trials.leftOut) parts.push(`${many(trials.leftOut, "trial")} left out: the service shows the best and the latest.`);
  if (mask) parts.push("Trials outside the brush are pale.");
  return parts.join(" ");
}

/** @param {number} metric */
function known(metric) { return metric === metric ? number(metric) : "–"; }

/** @param {any} model */
function ladderTable(model) {
  const rows = model.brackets.flatMap((/** @type {any} */ bracket) => [...bracket.rungs].reverse().map((/** @type {any} */ rung) => [
    bracket.bracket, rung.rung, `${number(rung.length)} ${model.unit}`, rungWords(rung)[0], rung.fateCounts[WAITS],
    rung.fateCounts[STOPPED] + rung.fateCounts[FAILED], bracket.runners.filter((/** @type {any} */ each) => each.rung === rung.rung).length,
    known(rung.cutoff), known(rung.best),
  ]));
  return html`<${PlainTable} heads=${["bracket", "rung", "length", "results", "waiting", "stopped or failed", "training towards it", "cut-off", "best"]} rows=${rows} />`;
}

/** What the pointer does: points, opens, chooses a range. @param {any} state */
function pointerOf({ model, layout, drag, setDrag, setFocus, setScroll, store, zoom, focus }) {
  return {
    onPointerDown: (/** @type {PointerEvent} */ event) => {
      const { x, y } = placeOf(event);
      if (event.button === 0 && x > GUTTER) setDrag({ from: x, x, y });
    },
    onPointerMove: (/** @type {PointerEvent} */ event) => {
      const { x, y } = placeOf(event);
      if (drag && event.buttons && (drag.to !== undefined || Math.abs(x - drag.from) > LEAST_DRAG)) setDrag({ ...drag, to: x });
      else if (!drag) {
        const found = hit(layout, model, x, y);
        if (found?.trial !== focus?.trial || found?.rung !== focus?.rung) setFocus(found);
      }
    },
    onPointerUp: (/** @type {PointerEvent} */ event) => {
      if (drag?.to !== undefined) zoomTo(zoom, layout, drag);
      else if (drag) {
        const { x, y } = placeOf(event), found = hit(layout, model, x, y);
        if (found && (event.ctrlKey || event.metaKey || event.shiftKey)) store.toggle(found.trial);
        else if (found) store.go({ view: "trial", trial: found.trial });
      }
      setDrag(null);
    },
    onPointerLeave: () => { if (!drag) setFocus(null); },
    onDblClick: () => (zoom.value = ""),
    onWheel: (/** @type {WheelEvent} */ event) => { if (event.deltaX) setScroll(layout.scroll + event.deltaX); },
  };
}

/** @param {any} zoom @param {any} layout @param {{from: number, to: number}} drag */
function zoomTo(zoom, layout, drag) {
  const bracket = Math.floor((drag.from - GUTTER + layout.scroll) / layout.columnWidth);
  const left = xOf({ ...layout, zoomed: false }, bracket, layout.scale.value(0)), right = xOf({ ...layout, zoomed: false }, bracket, layout.scale.value(1));
  const ends = [drag.from, drag.to].map((x) => layout.scale.value(Math.min(1, Math.max(0, (x - left) / (right - left)))));
  const [lo, hi] = ends.sort((one, other) => one - other);
  if (hi > lo) zoom.value = `${Number(lo.toPrecision(6))}~${Number(hi.toPrecision(6))}`;
}

/** @param {KeyboardEvent} event @param {any} state */
function onKey(event, { model, layout, focus, setFocus, store, setScroll, width }) {
  const { key } = event;
  if (key === "Escape") return setFocus(null);
  if ((key === "Enter" || key === " ") && focus) {
    event.preventDefault();
    return key === "Enter" ? store.go({ view: "trial", trial: focus.trial }) : store.toggle(focus.trial);
  }
  const steps = /** @type {Record<string, number[]>} */ ({ ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0], PageDown: [0, 0, 1], PageUp: [0, 0, -1] })[key];
  if (!steps) return undefined;
  event.preventDefault();
  const next = stepped(model, focus, steps);
  if (next) {
    setFocus(next);
    const left = GUTTER + next.bracket * layout.columnWidth - layout.scroll;
    if (left < GUTTER || left + layout.columnWidth > width) setScroll(next.bracket * layout.columnWidth);
  }
  return undefined;
}

/** The result that keys lead to. @param {any} model @param {any} focus @param {number[]} steps by rank, rung, bracket */
export function stepped(model, focus, [ranks, rungs, brackets]) {
  const filled = model.brackets.filter((/** @type {any} */ each) => each.rungs.some((/** @type {any} */ rung) => rung.count));
  if (!filled.length) return null;
  let k = Math.max(0, filled.findIndex((/** @type {any} */ each) => each.bracket === focus?.bracket));
  if (focus) k = Math.max(0, Math.min(filled.length - 1, k + brackets));
  const full = filled[k].rungs.filter((/** @type {any} */ rung) => rung.count);
  let level = full.findIndex((/** @type {any} */ rung) => rung.rung === focus?.rung);
  if (level < 0 || !focus || brackets) level = full.length - 1;
  level = Math.max(0, Math.min(full.length - 1, level + rungs));
  const rung = full[level], order = rankedPlaces(rung, model.smaller);
  const same = focus && !brackets && !rungs ? order.indexOf(focus.at) : rungs ? order.findIndex((/** @type {number} */ at) => rung.trials[at] === focus.trial) : -1;
  const at = order[Math.max(0, Math.min(order.length - 1, focus ? Math.max(0, same) + ranks : 0))];
  return { trial: rung.trials[at], bracket: rung.bracket, rung: rung.rung, at };
}
