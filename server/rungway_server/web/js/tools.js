/** Small things that browsers give only to pages over https, and files. */

/** A random id, like a UUID. `crypto.randomUUID` is missing on plain http. */
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Copy a text; returns whether it worked. @param {string} text */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // plain http
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const worked = document.execCommand("copy");
    area.remove();
    return worked;
  }
}

/** Let the user save a text as a file. @param {string} name @param {string} text @param {string} type */
export function save(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/**
 * Rows as CSV. A spreadsheet must not take a cell for a formula, so texts that begin like one get an apostrophe.
 * @param {(string | number | undefined)[][]} rows
 */
export function csv(rows) {
  const cell = (/** @type {string | number | undefined} */ value) => {
    if (value === undefined) return "";
    if (typeof value === "number") return Number.isNaN(value) ? "NaN" : String(value);
    const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** A configuration as YAML. Texts are quoted wherever they could be taken for something else. @param {any} value @param {string} indent @returns {string} */
export function yaml(value, indent = "") {
  if (value === null) return "null";
  if (Array.isArray(value)) return JSON.stringify(value);
  if (typeof value === "object") {
    if ("$double" in value) return { NaN: ".nan", Infinity: ".inf", "-Infinity": "-.inf" }[/** @type {string} */ (value.$double)] || value.$double;
    if ("$int" in value) return value.$int;
    const entries = Object.entries(value);
    if (!entries.length) return "{}";
    return entries.map(([name, each]) => {
      const nested = each && typeof each === "object" && !Array.isArray(each) && Object.keys(each).length > 0 && !("$double" in each) && !("$int" in each);
      return `${indent}${text(name)}:${nested ? `\n${yaml(each, `${indent}  `)}` : ` ${yaml(each)}`}`;
    }).join("\n");
  }
  if (typeof value === "number") return /e/.test(String(value)) && !/\./.test(String(value)) ? String(value).replace("e", ".0e") : String(value);
  return typeof value === "string" ? text(value) : String(value);
}

/** @param {string} value */
function text(value) {
  const plain = /^[A-Za-z_][\w-]*$/.test(value) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(value);
  return plain ? value : JSON.stringify(value);
}
