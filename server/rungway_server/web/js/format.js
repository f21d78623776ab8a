/** Numbers, times and values as people read them. */

const COUNT = new Intl.NumberFormat("en");

/** A whole number with thousands apart. @param {number} n */
export function count(n) { return COUNT.format(n); }

/** "1 trial", "2 trials". @param {number} n @param {string} noun @param {string} [nouns] */
export function many(n, noun, nouns = `${noun}s`) { return `${count(n)} ${n === 1 ? noun : nouns}`; }

/** A length with its unit: "1 epoch", "27 epochs", "1 batch". @param {number} n @param {string} unit */
export function lengthText(n, unit) {
  return `${count(n)} ${n === 1 ? unit.replace(/(?<=ch|sh|ss|x)es$|s$/, "") : unit}`;
}

/** A measured number in about 5 digits; "–" for none. @param {number | string | undefined | null} x */
export function number(x, digits = 5) {
  if (x === undefined || x === null || x === "") return "–";
  const n = Number(x);
  if (Number.isNaN(n)) return "NaN";
  if (!Number.isFinite(n)) return n > 0 ? "∞" : "−∞";
  if (Number.isInteger(n) && Math.abs(n) < 1e7) return COUNT.format(n);
  const size = Math.abs(n);
  const text = size !== 0 && (size < 1e-4 || size >= 1e7) ? n.toExponential(digits - 2).replace(/\.?0+e/, "e") : String(Number(n.toPrecision(digits)));
  return text.replace("e+", "e");
}

/** A share, as "4 %". @param {number} share */
export function percent(share) {
  const all = share * 100;
  return `${all > 0 && all < 1 ? "<1" : all < 100 ? Math.floor(all) : 100} %`;
}

/** Seconds as "3 h 20 min". @param {number} seconds */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min${s < 600 && s % 60 ? ` ${s % 60} s` : ""}`;
  if (s < 86400) return `${Math.floor(s / 3600)} h${s % 3600 >= 60 ? ` ${Math.floor((s % 3600) / 60)} min` : ""}`;
  return `${Math.floor(s / 86400)} d${s % 86400 >= 3600 ? ` ${Math.floor((s % 86400) / 3600)} h` : ""}`;
}

/** A moment in the reader's time: of today the time, else the day too. @param {number} ms */
export function moment(ms, seconds = false) {
  const date = new Date(ms), today = new Date().toDateString() === date.toDateString();
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined });
  return today ? time : `${date.toLocaleDateString("en-CA")} ${time}`;
}

/** Milliseconds of a timestamp of the service. @param {string | undefined} time */
export function msOf(time) { return time ? Date.parse(time) : NaN; }

/** A value of a configuration as one line. @param {any} value */
export function valueText(value) {
  if (value === undefined) return "–";
  if (value === null) return "null";
  if (typeof value === "number") return number(value, 6);
  if (typeof value === "string") return value;
  if (typeof value === "object" && Object.keys(value).length === 1) {
    if ("$double" in value) return value.$double;
    if ("$int" in value) return value.$int;
  }
  return JSON.stringify(value);
}

/** "EXPERIMENT_STATE_RUNNING" as "running". @param {string} name @param {string} prefix */
export function word(name, prefix) { return (name || "").replace(prefix, "").toLowerCase().replaceAll("_", " "); }

/** The state of an experiment in a word; "failing" when it has paused itself. @param {any} experiment */
export function stateWord(experiment) {
  if (experiment.reason === "REASON_FAILING") return "failing";
  return word(experiment.state, "EXPERIMENT_STATE_");
}

/** What a search minimises or maximises. @param {any} experiment */
export function goalOf(experiment) {
  const searcher = experiment?.config?.searcher || {};
  return { metric: searcher.metric || "metric", smaller: searcher.smaller_is_better !== false };
}
