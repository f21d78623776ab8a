/**
 * The colours of pictures, in both themes. Rungs are on a scale that grows in contrast, brackets differ in hue; both can
 * be told apart with every kind of colour blindness (the hues are those of Okabe and Ito, 2008). Texts are in app.css.
 */

/**
 * @typedef {object} Theme
 * @property {"light" | "dark"} name
 * @property {string} back behind everything
 * @property {string} ink texts and main lines, 4.5:1 and more on `back`
 * @property {string} soft lesser texts, 4.5:1 and more on `back`
 * @property {string} line axes and grids
 * @property {string} accent what is selected, or the best
 * @property {string} good went up
 * @property {string} bad stopped, failed
 * @property {string[]} rungs stops of the scale, lowest rung first
 * @property {string[]} brackets
 * @property {string[]} selected up to 8 trials that are compared
 */

const HUES = { light: ["#0072b2", "#b35900", "#007a5a", "#a64d85", "#6b6b00", "#5b4fc7", "#b3261e", "#4d6b7a"],
  dark: ["#56b4e9", "#f0a030", "#35c49a", "#e08bbf", "#d6cc3d", "#a79cf5", "#ff8a7a", "#9dbccb"] };

/** @type {{light: Theme, dark: Theme}} */
export const THEMES = {
  light: {
    name: "light", back: "#ffffff", ink: "#1c2128", soft: "#57606a", line: "#d0d7de", accent: "#b35900",
    good: "#0a6b50", bad: "#b3261e",
    rungs: ["#9fb6c3", "#3f9e96", "#2f74b8", "#2b3a8c"], brackets: HUES.light, selected: HUES.light,
  },
  dark: {
    name: "dark", back: "#14181d", ink: "#e6eaee", soft: "#a3adb8", line: "#38414b", accent: "#f0a030",
    good: "#35c49a", bad: "#ff8a7a",
    rungs: ["#5f7382", "#3aa79c", "#6cb1ef", "#cbd5ff"], brackets: HUES.dark, selected: HUES.dark,
  },
};

/** The theme of this name. @param {"light" | "dark"} name */
export function themeOf(name) { return THEMES[name]; }

/** The colour of rung `index` of `count`, the lowest first. @param {Theme} theme @param {number} index @param {number} count */
export function rungColour(theme, index, count) {
  return scaleColour(theme.rungs, count < 2 ? 1 : index / (count - 1));
}

/** A colour between the stops of a scale. @param {string[]} stops @param {number} share 0 to 1 */
export function scaleColour(stops, share) {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2), part = place - below;
  const mixed = [1, 3, 5].map((at) => {
    const a = parseInt(stops[below].slice(at, at + 2), 16), b = parseInt(stops[below + 1].slice(at, at + 2), 16);
    return Math.round(a + (b - a) * part).toString(16).padStart(2, "0");
  });
  return `#${mixed.join("")}`;
}
