/**
 * What users type to choose trials: `lr > 1e-3 and state = paused`, and what they brushed in pictures.
 *
 *     any  = all { "or" all }          all = not { "and" not }       not = "not" not | "(" any ")" | test
 *     test = name op value | name "in" "(" value { "," value } ")" | name "is" ["not"] "set"
 *     op   = "=" "!=" "<" "<=" ">" ">=" "~"        ~ : the text contains
 *
 * A trial without the value meets only `is not set`. Names are those of columns, or of hyperparameters.
 */

import { OUTCOMES, STATES } from "./columns.js";

/** @typedef {import("./columns.js").Trials} Trials */
/** @typedef {{min?: number, max?: number, values?: any[]}} Range what was brushed on an axis: bounds (included), or values */
/** @typedef {(row: number) => boolean} Test */

/** What can be asked for, beside hyperparameters; each with its array and, for words, the words. */
const COLUMNS = new Map(Object.entries({
  trial: ["trial"], state: ["state", STATES], outcome: ["outcome", OUTCOMES], bracket: ["bracket"], rung: ["rung"],
  length: ["length"], metric: ["metric"], best: ["bestMetric"], best_length: ["bestLength"], restarts: ["restarts"],
  worker: ["worker"], parent: ["parent"], created: ["createMs"],
}));

/** A text that is no filter: what is wrong, and at which character. */
export class FilterError extends Error {
  /** @param {string} message @param {number} at */
  constructor(message, at) { super(message); this.at = at; }
}

/** @typedef {{kind: "word" | "text" | "number" | "op" | "end", text: string, at: number}} Token */
const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(`[^`]+`(?:\.[\w`.]+)?)|([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\w.]))|(<=|>=|!=|==|[=<>~(),])|([\p{L}_][\p{L}\p{N}_.:/-]*))/iuy;

/** @param {string} text @returns {Token[]} */
function tokens(text) {
  const found = [];
  TOKEN.lastIndex = 0;
  let at = 0;
  while (text.slice(at).trim()) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (!match) throw new FilterError(`cannot read '${text.slice(at).trim().slice(0, 12)}'`, at);
    const [whole, quoted, back, number, op, word] = match;
    const start = at + whole.length - (quoted || back || number || op || word).length;
    /** @type {Token} */
    const token = quoted ? { kind: "text", text: quoted.slice(1, -1).replace(/\\(.)/g, "$1"), at: start }
      : { kind: number ? "number" : op ? "op" : "word", text: back || number || op || word, at: start };
    found.push(token);
    at = TOKEN.lastIndex;
  }
  return [...found, { kind: "end", text: "", at: text.length }];
}

/** Reads one filter. */
class Parser {
  /** @param {string} text @param {Trials} trials */
  constructor(text, trials) { this.tokens = tokens(text); this.place = 0; this.trials = trials; }

  /** @returns {Token} */
  get next() { return this.tokens[this.place]; }

  /** @param {string} word */
  takes(word) {
    const is = this.next.kind !== "text" && this.next.text.toLowerCase() === word;
    if (is) this.place++;
    return is;
  }

  /** @param {string} word */
  wants(word) { if (!this.takes(word)) throw new FilterError(`wanted '${word}' ${this.seen()}`, this.next.at); }

  seen() { return this.next.kind === "end" ? "at the end" : `before '${this.next.text}'`; }

  /** @returns {Test} */
  whole() {
    const test = this.any();
    if (this.next.kind !== "end") throw new FilterError(`wanted 'and' or 'or' ${this.seen()}`, this.next.at);
    return test;
  }

  /** @returns {Test} */
  any() {
    const first = this.all();
    if (!this.takes("or")) return first;
    const second = this.any();
    return (row) => first(row) || second(row);
  }

  /** @returns {Test} */
  all() {
    const first = this.not();
    if (!this.takes("and")) return first;
    const second = this.all();
    return (row) => first(row) && second(row);
  }

  /** @returns {Test} */
  not() {
    if (this.takes("not")) {
      const test = this.not();
      return (row) => !test(row);
    }
    if (!this.takes("(")) return this.test();
    const test = this.any();
    this.wants(")");
    return test;
  }

  /** @returns {Test} */
  test() {
    const name = this.next;
    if (name.kind !== "word") throw new FilterError(`wanted the name of a column ${this.seen()}`, name.at);
    this.place++;
    const column = columnOf(this.trials, name.text);
    if (!column) throw new FilterError(unknown(this.trials, name.text), name.at);
    if (this.takes("is")) {
      const isSet = !this.takes("not");
      this.wants("set");
      return (row) => column.isSet(row) === isSet;
    }
    if (this.takes("in")) {
      this.wants("(");
      const tests = [this.compared(column, "=")];
      while (this.takes(",")) tests.push(this.compared(column, "="));
      this.wants(")");
      return (row) => tests.some((test) => test(row));
    }
    const op = this.next;
    if (op.kind !== "op" || "(),".includes(op.text)) throw new FilterError(`wanted = != < <= > >= ~ in or is ${this.seen()}`, op.at);
    this.place++;
    return this.compared(column, op.text === "==" ? "=" : op.text);
  }

  /** @param {Column} column @param {string} op @returns {Test} */
  compared(column, op) {
    const value = this.next;
    if (value.kind === "end" || value.kind === "op") throw new FilterError(`wanted a value ${this.seen()}`, value.at);
    this.place++;
    const problem = column.refuses(op, value.text);
    if (problem) throw new FilterError(problem, value.at);
    return column.compare(op, value.text);
  }
}

/** @typedef {{isSet: Test, number: (row: number) => number, text: (row: number) => string, compare: (op: string, value: string) => Test, refuses: (op: string, value: string) => string}} Column */

/** @type {Record<string, (a: any, b: any) => boolean>} */
const OPS = { "=": (a, b) => a === b, "!=": (a, b) => a !== b, "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "~": (a, b) => String(a).toLowerCase().includes(String(b).toLowerCase()) };

/** What is in a column of this name: built-in ones first, then hyperparameters (`hparams.length` for one called `length`). @param {Trials} trials @param {string} name @returns {Column | null} */
export function columnOf(trials, name) {
  const built = COLUMNS.get(name.toLowerCase());
  if (built) return builtIn(trials, name.toLowerCase(), built);
  const parameter = trials.parameter(name) || trials.parameter(name.replace(/^hparams\./, ""));
  if (!parameter) return null;
  if (parameter.kind === "number") return numeric(parameter.numbers, name);
  const { index, values } = parameter;
  return worded(values.map((value) => (typeof value === "object" ? JSON.stringify(value) : String(value))), index, "");
}

/** Every name that a filter may use. @param {Trials} trials */
export function columnNames(trials) { return [...COLUMNS.keys(), ...trials.parameters.map((each) => each.name)]; }

/** @param {Trials} trials @param {string} name @param {any[]} built @returns {Column} */
function builtIn(trials, name, [field, words]) {
  const array = /** @type {any} */ (trials)[field];
  if (words) return worded(words, array, name);
  if (name === "worker") return worded(trials.workers, array, "");
  return numeric(name === "parent" ? Float64Array.from(array, (/** @type {number} */ p) => (p < 0 ? NaN : p)) : array, name);
}

/** @param {ArrayLike<number>} array @param {string} name @returns {Column} */
function numeric(array, name) {
  return {
    isSet: (row) => !Number.isNaN(array[row]),
    number: (row) => array[row],
    text: (row) => String(array[row]),
    refuses: (op, value) => (Number.isNaN(Number(value)) && op !== "~" ? `'${name}' is a number, got '${value}'` : ""),
    compare: (op, value) => {
      const test = OPS[op], wanted = op === "~" ? value : Number(value);
      return (row) => !Number.isNaN(array[row]) && test(array[row], wanted);
    },
  };
}

/** A column of words; every word is compared once. @param {string[]} words @param {ArrayLike<number>} index @param {string} name of a column with fixed words @returns {Column} */
function worded(words, index, name) {
  return {
    isSet: (row) => index[row] >= 0 && words[index[row]] !== "",
    number: (row) => Number(words[index[row]]),
    text: (row) => words[index[row]] ?? "",
    refuses: (op, value) => (name && (op === "=" || op === "!=") && !words.includes(value.toLowerCase())
      ? `'${value}' is no ${name}: wanted ${words.filter(Boolean).join(", ")}` : ""),
    compare: (op, value) => {
      const asNumber = "<>=".includes(op[0]) && op !== "=" && !Number.isNaN(Number(value));
      const meets = words.map((word) => word !== "" && (asNumber ? OPS[op](Number(word), Number(value))
        : OPS[op](name || op === "~" ? word.toLowerCase() : word, name || op === "~" ? value.toLowerCase() : value)));
      return (row) => index[row] >= 0 && meets[index[row]];
    },
  };
}

/** @param {Trials} trials @param {string} name */
function unknown(trials, name) {
  const names = columnNames(trials);
  const near = names.find((each) => distance(each.toLowerCase(), name.toLowerCase()) <= Math.max(1, name.length / 3));
  const shown = names.length > 24 ? `${names.slice(0, 24).join(", ")} and ${names.length - 24} more` : names.join(", ");
  return `there is no column '${name}'${near ? `: probably meant '${near}'` : `: there are ${shown}`}`;
}

/** Letters to change between two words. @param {string} a @param {string} b */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}

/** The test of a text; null for an empty one. Throws FilterError. @param {string} text @param {Trials} trials @returns {Test | null} */
export function readFilter(text, trials) { return text.trim() ? new Parser(text, trials).whole() : null; }

/** The test of what is brushed; null if nothing is. @param {Record<string, Range>} brush @param {Trials} trials @returns {Test | null} */
export function readBrush(brush, trials) {
  const tests = Object.entries(brush).flatMap(([name, range]) => {
    const column = columnOf(trials, name);
    return column ? [inRange(column, range)] : [];
  });
  return tests.length ? (row) => tests.every((test) => test(row)) : null;
}

/** @param {Column} column @param {Range} range @returns {Test} */
function inRange(column, { min = -Infinity, max = Infinity, values }) {
  if (values) {
    const tests = values.map((value) => (value === null ? (/** @type {number} */ row) => !column.isSet(row) : column.compare("=", typeof value === "object" ? JSON.stringify(value) : String(value))));
    return (row) => tests.some((test) => test(row));
  }
  return (row) => { const x = column.number(row); return x >= min && x <= max; };
}

/** Which rows meet all tests, as 0 and 1 by row; null if there is no test. @param {(Test | null)[]} tests @param {number} count @returns {Uint8Array | null} */
export function maskOf(tests, count) {
  const given = /** @type {Test[]} */ (tests.filter(Boolean));
  if (!given.length) return null;
  const mask = new Uint8Array(count);
  for (let row = 0; row < count; row++) mask[row] = given.every((test) => test(row)) ? 1 : 0;
  return mask;
}
