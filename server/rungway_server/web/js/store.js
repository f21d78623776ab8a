/**
 * What the page knows and what its user set, as signals. All views share one store.
 *
 * What the user set (view, axes, zoom, brush, sort, filter) is in the part of the URL behind "#", so a link shows the
 * same. What the service sends goes into `trials`, and `version` grows with each change.
 */

import { ApiError, call, caller as sender, follow, insist, sleep } from "./api.js";
import { Trials } from "./columns.js";
import { FilterError, maskOf, readBrush, readFilter } from "./filter.js";
import { msOf } from "./format.js";
import { batch, computed, effect, signal, untracked } from "./html.js";
import { Router } from "./route.js";

const MOST_EVENTS = 500;
export const MOST_SELECTED = 8;

export class Store {
  constructor() {
    this.router = new Router();
    /** Where the user is. @type {{value: import("./route.js").Route, peek(): import("./route.js").Route, subscribe: any}} */
    this.route = this.router.route;
    /** Who the user is: the answer of GetCaller; null before it. */
    this.caller = signal(/** @type {any} */ (null));
    /** Whether the service wants a token first. */
    this.signedOut = signal(false);
    /** The message Experiment; null before the first view. */
    this.experiment = signal(/** @type {any} */ (null));
    this.trials = new Trials();
    this.version = signal(0);
    /** Lines of the event log, newest last. */
    this.events = signal(/** @type {any[]} */ ([]));
    /** Why there is nothing to show, or no news. @type {{value: ApiError | null, peek(): ApiError | null, subscribe: any}} */
    this.problem = signal(/** @type {ApiError | null} */ (null));
    /** Whether more of the first view is to come: a large search has it in parts. */
    this.partial = signal(true);
    /** Whether the user holds the picture still. */
    this.frozen = signal(false);
    /** What has come since: results, and trials that changed. */
    this.pending = signal({ results: 0, trials: 0 });
    this.connection = signal(/** @type {"live" | "away"} */ ("live"));
    /** When the next attempt is, by the browser's clock (ms). */
    this.retryAt = signal(0);
    /** @type {{value: "live" | "frozen" | "away", peek(): any, subscribe: any}} */
    this.live = computed(() => (this.connection.value === "away" ? "away" : this.frozen.value ? "frozen" : "live"));
    this.ahead = signal(0); // of the service's clock before the browser's (ms)
    this.tick = signal(Date.now());
    /** The service's time (ms), to the second. */
    this.now = computed(() => this.tick.value + this.ahead.value);
    /** A sentence for the user about what just happened. */
    this.notice = signal("");
    this.themeChoice = signal(/** @type {"auto" | "light" | "dark"} */ ("auto"));
    this.systemDark = signal(false);
    /** @type {{value: "light" | "dark", peek(): any, subscribe: any}} */
    this.theme = computed(() => (this.themeChoice.value === "auto" ? (this.systemDark.value ? "dark" : "light") : this.themeChoice.value));

    /** What is typed as a filter; it counts in every view. */
    this.filter = this.param("filter", "");
    /** What is brushed, by column or hyperparameter: {lr: {min, max}, kind: {values: [...]}}. @type {{value: Record<string, import("./filter.js").Range>, peek(): any, subscribe: any}} */
    this.brush = this.param("brush", {});
    this.chosen = computed(() => this._choose());
    /** Which rows are filtered and brushed, as 0 and 1 by row; null = all. @type {{value: Uint8Array | null, peek(): any, subscribe: any}} */
    this.mask = computed(() => this.chosen.value.mask);
    /** @type {{value: number[], peek(): number[], subscribe: any}} */
    this.sel = this.param("sel", []);
    /** Up to 8 trials that are compared. @type {{value: Set<number>, peek(): any, subscribe: any}} */
    this.selected = computed(() => new Set(this.sel.value.filter(Number.isInteger).slice(0, MOST_SELECTED)));
    this._cursor = "";
    this._shown = "";
    this._following = new AbortController();
    this.namespace = this.param("ns", "");
  }

  /** A setting that is kept in the URL: a signal; at its default it is left out. @template T @param {string} name @param {T} fallback @returns {{value: T, peek(): T, subscribe(listener: (value: T) => void): () => void}} */
  param(name, fallback) { return this.router.param(name, fallback); }

  /** Attributes of a link to a view: `html`<a ...${store.link({view: "trial", trial: 7})}>``. @param {Partial<import("./route.js").Route>} to */
  link(to) { return this.router.link(to); }

  /** Go to a view. @param {Partial<import("./route.js").Route>} to */
  go(to) { this.router.go(to); }

  /** Whether the caller's role allows this. @param {"read" | "work" | "admin"} role */
  may(role) { const order = ["read", "work", "admin"]; return order.indexOf(this.caller.value?.role) >= order.indexOf(role); }

  /** Select a trial, or no longer. @param {number} trial */
  toggle(trial) {
    const now = this.sel.peek();
    if (now.includes(trial)) this.sel.value = now.filter((each) => each !== trial);
    else if (now.length < MOST_SELECTED) this.sel.value = [...now, trial];
    else this.notice.value = `At most ${MOST_SELECTED} trials are compared: take one away first.`;
  }

  /** Begin: follow the route, the caller, the clock. */
  start() {
    setInterval(() => { if (!document.hidden) this.tick.value = Date.now(); }, 1000);
    effect(() => {
      sender.namespace = this.namespace.value;
      untracked(() => this._meet());
    });
    // Opened anew with another search, namespace or caller, not with another view.
    const wanted = computed(() => (this.caller.value && !this.signedOut.value ? this.route.value.experiment : ""));
    effect(() => {
      const experiment = wanted.value;
      this.caller.value;
      untracked(() => this._open(experiment));
    });
  }

  /** Ask who the caller is. */
  async _meet() {
    const lasting = new AbortController().signal;
    try {
      const found = await insist(() => call("ViewService/GetCaller"), { signal: lasting, onState: (state, ms) => this._connected(state, ms) });
      batch(() => { this.caller.value = found; this.signedOut.value = false; this.connection.value = "live"; this.problem.value = null; });
    } catch (error) { this._fail(error); }
  }

  /** Ask again who the caller is, after signing in or out. */
  renew() { return this._meet(); }

  /** @param {string} experiment */
  _open(experiment) {
    this._following.abort();
    this._following = new AbortController();
    batch(() => {
      this.trials.clear();
      this.experiment.value = null;
      this.events.value = [];
      this.problem.value = null;
      this.pending.value = { results: 0, trials: 0 };
      this.frozen.value = false;
      this.version.value++;
    });
    this._cursor = this._shown = "";
    if (experiment) this._follow(experiment, this._following.signal);
  }

  /** @param {string} experiment @param {AbortSignal} signal */
  async _follow(experiment, signal) {
    const onState = (/** @type {any} */ state, /** @type {number} */ ms = 0) => { if (!signal.aborted) this._connected(state, ms); };
    try {
      // The first view by a call, which is compressed; then what changes.
      for (let more = true; more && !signal.aborted;) {
        const found = await insist(() => call("ViewService/GetView", { experiment, cursor: this._cursor }, { signal }), { signal, onState });
        if (found && !signal.aborted) this._take(found.view);
        more = Boolean(found?.view.more);
      }
      while (!signal.aborted) {
        await follow("ViewService/WatchView", () => ({ experiment, cursor: this._cursor }), (message) => { if (!signal.aborted) this._take(message.view); }, { signal, onState });
        await sleep(3000, signal);
      }
    } catch (error) { if (!signal.aborted) this._fail(error); }
  }

  /** @param {any} view */
  _take(view) {
    this._cursor = view.cursor;
    if (this.frozen.peek()) {
      const { results, trials } = this.pending.peek();
      this.pending.value = { results: results + (view.results?.trial?.length || 0), trials: trials + (view.trials?.trial?.length || 0) };
    } else this._show(view);
  }

  /** @param {any} view */
  _show(view) {
    this._shown = view.cursor;
    batch(() => {
      if (view.time) this.ahead.value = msOf(view.time) - Date.now();
      this.trials.apply(view);
      if (view.experiment) this.seen(view.experiment);
      const known = view.reset ? [] : this.events.peek();
      this.partial.value = Boolean(view.more);
      if (view.reset || view.events?.length) this.events.value = [...known, ...(view.events || [])].slice(-MOST_EVENTS);
      this.problem.value = null;
      this.version.value++;
    });
  }

  /** The experiment as some answer has it. @param {any} experiment */
  seen(experiment) {
    const old = this.experiment.peek();
    this.experiment.value = { ...experiment, config: experiment.config ?? old?.config, summary: experiment.summary?.length ? experiment.summary : old?.summary };
  }

  /** Hold the picture still, or go on from what it shows. */
  freeze() {
    const { experiment } = this.route.peek(), held = this.frozen.peek();
    this.frozen.value = !held;
    if (!held || !experiment) return;
    this._following.abort(); // what it sent meanwhile was counted, not shown
    this._following = new AbortController();
    this._cursor = this._shown;
    this.pending.value = { results: 0, trials: 0 };
    this._follow(experiment, this._following.signal);
  }

  /** Show what has come since the picture was frozen; it stays frozen. */
  async showNew() {
    const { signal } = this._following, { experiment } = this.route.peek();
    if (this._shown === this._cursor) return;
    try {
      for (let more = true; more;) {
        const { view } = await call("ViewService/GetView", { experiment, cursor: this._shown }, { signal });
        if (signal.aborted) return;
        this._show(view);
        more = view.more;
      }
      this.pending.value = { results: 0, trials: 0 };
    } catch (error) { if (!signal.aborted) this.notice.value = error instanceof Error ? error.message : String(error); }
  }

  /** A call beside the stream was answered, or not: the next attempt is in `ms`. @param {ApiError} [error] @param {number} [ms] */
  connected(error, ms = 0) { this._connected(error ? "away" : "live", ms); }

  /** A call beside the stream failed in a way that repeating does not mend. @param {ApiError} error */
  failed(error) { this._fail(error); }

  /** @param {"live" | "away"} state @param {number} [ms] */
  _connected(state, ms = 0) { batch(() => { this.connection.value = state; this.retryAt.value = Date.now() + ms; }); }

  /** @param {unknown} error */
  _fail(error) {
    if (!(error instanceof ApiError)) throw error;
    batch(() => {
      if (error.code === "unauthenticated") { this.signedOut.value = true; this.caller.value = null; }
      else this.problem.value = error;
    });
  }

  /** What filter and brush choose, and what is wrong with the filter. */
  _choose() {
    this.version.value;
    let error = /** @type {FilterError | null} */ (null), typed = null;
    try { typed = readFilter(this.filter.value, this.trials); } catch (wrong) {
      if (!(wrong instanceof FilterError)) throw wrong;
      error = wrong;
    }
    const mask = maskOf([typed, readBrush(this.brush.value, this.trials)], this.trials.count);
    return { mask, error, count: mask ? mask.reduce((sum, bit) => sum + bit, 0) : this.trials.count };
  }
}
