/** Queue a configuration like that of a trial: the next new trial takes it. For callers with the role admin. */

import { ApiError, call } from "./api.js";
import { Confirm } from "./dialog.js";
import { html, useId, useRef, useState } from "./html.js";
import { randomId, yaml } from "./tools.js";

/** @param {{store: import("./store.js").Store, experiment: string, hparams: any, onClose: () => void}} props */
export function QueueAgain({ store, experiment, hparams, onClose }) {
  const [text, setText] = useState(`${yaml(hparams)}\n`), [problem, setProblem] = useState(""), [busy, setBusy] = useState(false), id = useId();
  const request = useRef(randomId());
  const act = async () => {
    setBusy(true);
    setProblem("");
    try {
      const { config } = await call("ViewService/ReadConfig", { text });
      const { position } = await call("ExperimentService/EnqueueTrial", { experiment, requestId: request.current, hparams: config });
      store.notice.value = position ? `It is queued; ${position} wait before it.` : "It is queued: the next new trial takes it.";
      onClose();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem(error.violations.map((each) => `${each.field}: ${each.description}`).join("; ") || error.message);
      setBusy(false);
    }
  };
  return html`<${Confirm} title="Queue this configuration" yes="Queue it" busy=${busy} problem=${problem} onYes=${act} onClose=${onClose}>
    <label for=${id}>Change what you want. The next new trial takes it; it counts among the trials of the search.</label>
    <textarea id=${id} rows=${Math.min(20, text.split("\n").length + 1)} spellcheck=${false} value=${text} onInput=${(/** @type {any} */ e) => { setText(e.target.value); request.current = randomId(); }}></textarea>
  <//>`;
}
