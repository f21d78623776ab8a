/**
 * Calls of the service: JSON by POST to relative paths, so that the page works under any path of a proxy.
 *
 * Streams are read by fetch, not EventSource, which can only GET.
 */

/** @typedef {{field: string, description: string}} Violation */
/** @typedef {"live" | "away"} Connection */

const SILENT_MS = 45_000; // the service says something every 15 s
const LONGEST_PAUSE_MS = 15_000;
const FINAL = new Set(["unauthenticated", "permission_denied", "not_found", "invalid_argument", "unimplemented"]);

/** The namespace that calls name; "" = the caller's own. */
export const caller = { namespace: "" };

/** A call that was refused, or not answered (code "unavailable"). */
export class ApiError extends Error {
  /** @param {{code: string, message: string, reason?: string, violations?: Violation[], retryAfter?: number, status?: number}} what */
  constructor({ code, message, reason = "", violations = [], retryAfter = 0, status = 0 }) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.violations = violations;
    this.retryAfter = retryAfter; // seconds
    this.status = status; // of HTTP; 0 = no answer
  }

  /** Whether the same call may succeed later. */
  get passes() { return !FINAL.has(this.code); }
}

/**
 * The error in an answer.
 * @param {any} body @param {number} status @param {number} retryAfter
 */
function errorIn(body, status, retryAfter = 0) {
  if (!body || typeof body.code !== "string") {
    const message = `What answered is not Rungway (HTTP ${status}): is a proxy or a sign-in page in between?`;
    return new ApiError({ code: "unavailable", message, reason: "NOT_RUNGWAY", status });
  }
  const details = (body.details || []).map((/** @type {any} */ each) => each.debug || {});
  return new ApiError({
    code: body.code, message: body.message || body.code, status, retryAfter,
    reason: details.find((/** @type {any} */ each) => each.reason)?.reason,
    violations: details.flatMap((/** @type {any} */ each) => each.fieldViolations || []),
  });
}

/** @param {string} path @param {RequestInit} init */
async function ask(path, init) {
  try {
    return await fetch(path, { credentials: "same-origin", redirect: "error", cache: "no-store", ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError({ code: "unavailable", message: "The service does not answer.", reason: "AWAY" });
  }
}

/** @param {string} method @param {object} body @param {Record<string, string>} more @param {AbortSignal} [signal] */
function post(method, body, more = {}, signal = undefined) {
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json", ...more };
  if (caller.namespace) headers["Rungway-Namespace"] = caller.namespace;
  return ask(`rungway.v1.${method}`, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** @param {Response} response */
async function answerIn(response) {
  let body = null;
  try { body = JSON.parse(await response.text()); } catch (error) {
    if (error instanceof DOMException) throw error;
  }
  if (response.ok && body && typeof body === "object") return body;
  throw errorIn(response.ok ? null : body, response.status, Number(response.headers.get("Retry-After")) || 0);
}

/**
 * One call, such as `call("ExperimentService/GetExperiment", {experiment})`. Throws ApiError.
 * @param {string} method @param {object} [body] @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function call(method, body = {}, { signal } = {}) {
  return answerIn(await post(method, body, {}, signal));
}

/**
 * Sign in with a token, which the browser then keeps in a cookie that scripts cannot read. Throws ApiError.
 * @param {string} token
 */
export async function signIn(token) {
  const headers = { "Content-Type": "application/json" };
  await answerIn(await ask("session", { method: "POST", headers, body: JSON.stringify({ token }) }));
}

/** Forget the token. Throws ApiError. */
export async function signOut() {
  await answerIn(await ask("session", { method: "DELETE" }));
}

/**
 * Follow a stream, until `signal`, through outages: with longer and longer pauses between attempts.
 *
 * Closed while the tab is hidden. `body` makes the request anew for each attempt, so that it goes on where it was.
 * Throws the ApiError that repeating would not mend. Returns when the service has ended the stream.
 * @param {string} method
 * @param {() => object} body
 * @param {(message: any) => void} onMessage
 * @param {{signal: AbortSignal, onState?: (state: Connection, retryMs?: number) => void}} options
 */
export async function follow(method, body, onMessage, { signal, onState = () => {} }) {
  let ended = false;
  while (!ended && !signal.aborted) {
    await visible(signal);
    ended = await insist(() => attempt(method, body(), onMessage, signal, () => onState("live")), { signal, onState }) ?? true;
  }
}

/**
 * Repeat what fails in a way that may pass, with longer and longer pauses, until it succeeds or `signal`.
 *
 * A failure after 10 s without one counts as the first. Throws the ApiError that repeating would not mend.
 * @template T
 * @param {() => Promise<T>} work
 * @param {{signal: AbortSignal, onState?: (state: Connection, retryMs?: number) => void}} options
 * @returns {Promise<T | undefined>} undefined after `signal`
 */
export async function insist(work, { signal, onState = () => {} }) {
  let pause = 500;
  while (!signal.aborted) {
    const began = Date.now();
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError) || !error.passes) throw error;
      if (Date.now() - began > 10_000) pause = 500;
      const wait = Math.max(pause, error.retryAfter * 1000) * (0.75 + Math.random() / 2);
      onState("away", wait);
      await sleep(wait, signal);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }
  return undefined;
}

/**
 * One connection of a stream. Returns whether the service ended it, or false when the tab was hidden.
 * @param {string} method @param {object} body @param {(message: any) => void} onMessage
 * @param {AbortSignal} signal @param {() => void} onOpen
 */
async function attempt(method, body, onMessage, signal, onOpen) {
  const ending = new AbortController();
  const end = () => ending.abort();
  const hide = () => { if (document.hidden) end(); };
  signal.addEventListener("abort", end);
  document.addEventListener("visibilitychange", hide);
  let silent = setTimeout(end, SILENT_MS);
  let hidden = false;
  try {
    const response = await post(method, body, { Accept: "text/event-stream" }, ending.signal);
    if (!response.ok || !response.body) await answerIn(response);
    onOpen();
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const events = new Events(onMessage);
    for (;;) {
      const { done, value } = await reader.read();
      clearTimeout(silent);
      silent = setTimeout(end, SILENT_MS);
      if (value && events.take(value)) return true;
      if (done) throw new ApiError({ code: "unavailable", message: "The stream was cut.", reason: "AWAY" });
    }
  } catch (error) {
    hidden = document.hidden && ending.signal.aborted;
    if (hidden) return false;
    if (error instanceof ApiError || signal.aborted) throw error;
    throw new ApiError({ code: "unavailable", message: "The stream was cut.", reason: "AWAY" });
  } finally {
    clearTimeout(silent);
    signal.removeEventListener("abort", end);
    document.removeEventListener("visibilitychange", hide);
    ending.abort();
  }
}

/** Reads server-sent events from pieces of a stream. */
export class Events {
  #decoder = new TextDecoder();
  #text = "";
  #onMessage;

  /** @param {(message: any) => void} onMessage */
  constructor(onMessage) { this.#onMessage = onMessage; }

  /**
   * Take the next piece; returns whether the stream has ended well. Throws ApiError at its error.
   * @param {Uint8Array} piece
   */
  take(piece) {
    this.#text += this.#decoder.decode(piece, { stream: true });
    let end;
    while ((end = this.#text.indexOf("\n\n")) >= 0) {
      const lines = this.#text.slice(0, end).split("\n");
      this.#text = this.#text.slice(end + 2);
      const field = (/** @type {string} */ name) =>
        lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)).join("\n");
      const kind = field("event"), data = field("data");
      if (kind === "end") return true;
      if (kind === "error") throw errorIn(JSON.parse(data), 200);
      if (data) this.#onMessage(JSON.parse(data));
    }
    return false;
  }
}

/** Returns after a time, or at `signal`. @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

/** Returns once the tab is seen. @param {AbortSignal} signal @returns {Promise<void>} */
function visible(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const check = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", check);
      resolve();
    };
    document.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check, { once: true });
  });
}
