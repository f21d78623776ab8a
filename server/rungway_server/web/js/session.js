/** Signing in with a token, which the browser keeps in a cookie that no script can read. */

import { ApiError, signIn, signOut } from "./api.js";
import { html, useState } from "./html.js";

/** @typedef {import("./store.js").Store} Store */

/** @param {{store: Store}} props */
export function SignIn({ store }) {
  const [token, setToken] = useState(""), [problem, setProblem] = useState(""), [busy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      await signIn(token.trim());
      await store.renew();
    } catch (error) { setProblem(inWords(error)); }
    setBusy(false);
  };
  return html`<form class="card signin" onSubmit=${submit}>
    <h1>Sign in</h1>
    <p>This service wants a token. Whoever runs it makes one with</p>
    <p><code>rungway token create --namespace default --role read</code></p>
    <label>Token <input type="password" autocomplete="current-password" spellcheck=${false} required value=${token} autofocus
      onInput=${(/** @type {any} */ e) => setToken(e.target.value)} aria-invalid=${Boolean(problem)} aria-describedby="signin-problem" /></label>
    <p id="signin-problem" class="error" role="alert">${problem}</p>
    <button class="primary" disabled=${busy}>${busy ? "Signing in …" : "Sign in"}</button>
    <p class="soft">It is kept until the browser is closed, where scripts cannot read it.</p>
  </form>`;
}

/** @param {unknown} error */
function inWords(error) {
  if (!(error instanceof ApiError)) throw error;
  if (error.code === "unauthenticated") return "This token is not valid here: it is mistyped, expired or revoked.";
  if (error.reason === "AWAY") return "The service does not answer. Nothing is wrong with the token; try again.";
  return error.violations[0]?.description || error.message;
}

/** Who is signed in, and the way out. @param {{store: Store, caller: any}} props */
export function Session({ store, caller }) {
  if (!caller?.tokens) return null;
  const leave = async () => {
    try { await signOut(); } catch (error) { store.notice.value = error instanceof Error ? error.message : String(error); }
    await store.renew();
  };
  return html`<button onClick=${leave} title=${`Your token has the role “${caller.role}”`}>Sign out</button>`;
}
