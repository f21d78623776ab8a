/**
 * The part of the URL behind "#": `#/e/EXPERIMENT/VIEW` or `#/e/EXPERIMENT/trial/7`, `#/` for the list, `#/new`; then what
 * the user set, as `?sort=metric&filter=…`. Going to another view keeps the settings, going to another search drops them.
 */

import { effect, signal } from "./html.js";

/** @typedef {{view: string, experiment: string, trial: number}} Route */

const WRITE_MS = 200; // browsers refuse too many changes of the URL
const KEPT = ["ns"]; // from search to search

/** @param {string} hash @returns {{route: Route, query: Map<string, string>}} */
export function readHash(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [head, ...rest] = path.split("/").map((each) => { try { return decodeURIComponent(each); } catch { return each; } });
  const query = new Map(new URLSearchParams(search));
  if (head === "e" && rest[0]) {
    const trial = rest[1] === "trial" && /^\d{1,15}$/.test(rest[2] || "") ? Number(rest[2]) : -1;
    return { route: { view: rest[1] || "ladder", experiment: rest[0], trial }, query };
  }
  return { route: { view: head === "new" ? "new" : "searches", experiment: "", trial: -1 }, query };
}

/** @param {Route} route @param {Map<string, string>} query */
export function writeHash(route, query) {
  const path = !route.experiment ? (route.view === "new" ? "new" : "")
    : `e/${encodeURIComponent(route.experiment)}/${route.view}${route.view === "trial" && route.trial >= 0 ? `/${route.trial}` : ""}`;
  const search = new URLSearchParams([...query].sort()).toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

/** @param {any} value @param {any} fallback */
function encode(value, fallback) { return typeof fallback === "object" ? JSON.stringify(value) : String(value); }

/** @param {string | undefined} text @param {any} fallback */
function decode(text, fallback) {
  if (text === undefined) return fallback;
  if (typeof fallback === "string") return text;
  if (typeof fallback === "boolean") return text === "true";
  if (typeof fallback === "number") return Number.isFinite(Number(text)) ? Number(text) : fallback;
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && Array.isArray(value) === Array.isArray(fallback) ? value : fallback;
  } catch { return fallback; }
}

export class Router {
  constructor() {
    const { route, query } = readHash(location.hash);
    this.route = signal(route);
    this.query = query;
    /** @type {Map<string, {signal: any, fallback: any}>} */
    this.params = new Map();
    this.timer = 0;
    const read = () => this._read();
    addEventListener("popstate", read);
    addEventListener("hashchange", read);
  }

  /** See Store.param. @template T @param {string} name @param {T} fallback @returns {any} */
  param(name, fallback) {
    const known = this.params.get(name);
    if (known) return known.signal;
    const made = signal(decode(this.query.get(name), fallback));
    this.params.set(name, { signal: made, fallback });
    effect(() => this._set(name, encode(made.value, fallback), encode(fallback, fallback)));
    return made;
  }

  /** @param {Partial<Route>} to @returns {{href: string, onClick: (event: MouseEvent) => void}} */
  link(to) {
    return {
      href: this._hash(to),
      onClick: (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
        event.preventDefault();
        this.go(to);
      },
    };
  }

  /** @param {Partial<Route>} to */
  go(to) {
    history.pushState(null, "", this._hash(to));
    this._read();
  }

  /** @param {Partial<Route>} to */
  _hash(to) {
    const now = this.route.peek();
    const route = { ...now, trial: -1, ...to };
    const query = route.experiment === now.experiment ? this.query : new Map([...this.query].filter(([name]) => KEPT.includes(name)));
    return writeHash(route, query);
  }

  /** Take over what the URL says. */
  _read() {
    clearTimeout(this.timer);
    const { route, query } = readHash(location.hash);
    this.query = query;
    const now = this.route.peek();
    for (const [name, { signal: each, fallback }] of this.params) {
      const value = decode(query.get(name), fallback);
      if (encode(value, fallback) !== encode(each.peek(), fallback)) each.value = value;
    }
    if (route.view !== now.view || route.experiment !== now.experiment || route.trial !== now.trial) this.route.value = route;
  }

  /** @param {string} name @param {string} text @param {string} fallback */
  _set(name, text, fallback) {
    if (text === (this.query.get(name) ?? fallback)) return;
    if (text === fallback) this.query.delete(name);
    else this.query.set(name, text);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => history.replaceState(null, "", writeHash(this.route.peek(), this.query)), WRITE_MS);
  }
}
