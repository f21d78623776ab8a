/** Goes through the past of a search: a slider over its event log, and a button that plays it. */
import { count, duration, many } from "./format.js";
import { html, useEffect, useRef, useState } from "./html.js";

const STEPS = 1000;

/**
 * @param {object} props
 * @param {import("./eventlog.js").Reading} props.reading
 * @param {number} props.time milliseconds since 1970
 * @param {(time: number) => void} props.onTime
 * @param {() => void} props.onLive
 */
export function Scrubber({ reading, time, onTime, onLive }) {
  const { log } = reading, [playing, setPlaying] = useState(false), [seconds, setSeconds] = useState(20);
  const first = log.time[0] ?? 0, last = log.time[log.count - 1] ?? 0, span = Math.max(1, last - first);
  const latest = useRef(time);
  latest.current = time;
  useEffect(() => {
    if (!playing) return undefined;
    let frame = 0, before = performance.now();
    const step = (/** @type {number} */ now) => {
      const next = latest.current + ((now - before) / 1000) * (span / seconds);
      before = now;
      if (next >= last) setPlaying(false);
      else frame = requestAnimationFrame(step);
      onTime(Math.min(next, last));
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [playing, seconds]);
  if (reading.state.value === "failed") {
    return html`<div class="scrubber" role="alert">The event log could not be read: ${reading.problem} <button type="button" onClick=${onLive}>Back to now</button></div>`;
  }
  if (!log.count) return html`<div class="scrubber">${reading.state.value === "reading" ? "Reading the event log …" : "The event log is empty."}</div>`;
  const play = () => {
    if (!playing && time >= last) onTime(first);
    setPlaying(!playing);
  };
  const words = `${duration((time - first) / 1000)} of ${duration(span / 1000)}, event ${count(log.until(time))} of ${count(log.count)}`;
  return html`<div class="scrubber" role="group" aria-label="replay">
    <button type="button" onClick=${play}>${playing ? "Hold" : "Play"}</button>
    <input type="range" min="0" max=${STEPS} step="1" aria-label="time of the search" aria-valuetext=${words}
      value=${Math.round(((time - first) / span) * STEPS)}
      onInput=${(/** @type {any} */ event) => onTime(first + (span * Number(event.target.value)) / STEPS)} />
    <label>all in <select value=${seconds} onChange=${(/** @type {any} */ event) => setSeconds(Number(event.target.value))}>
      ${[10, 20, 60, 300].map((each) => html`<option value=${each}>${each} s</option>`)}
    </select></label>
    <button type="button" onClick=${onLive}>Back to now</button>
    <span>${words}${reading.state.value === "reading" ? ` (reading: ${many(log.count, "event")})` : ""}</span>
  </div>`;
}
