/** The colours of the pictures: those of the theme, and what they need beside. Marks differ by shape as well. */
import { scaleColour, themeOf } from "./theme.js";

/**
 * @typedef {import("./theme.js").Theme & {panel: string, band: string, rung: (place: number) => string, rank: (place: number) => string, heat: (share: number) => string}} Palette
 *   `panel`: behind strips; `band`: what may go on; `rung`: 0 = the lowest, 1 = the top; `rank`: 0 = the worst, 1 = the
 *   best
 */

// From pale to strong, in lightness too, so that the best stand out without colours as well.
const RANKS = {
  light: ["#c9b8d8", "#9fb0d9", "#4f97c9", "#1f7a8c", "#0b4f57"],
  dark: ["#4a3f6b", "#44609e", "#3f8fc4", "#55c6b0", "#e9f5a0"],
};
const PANEL = { light: "#f3f5f8", dark: "#1d232b" }, BAND = { light: "rgb(47 116 184 / 14%)", dark: "rgb(108 177 239 / 17%)" };

/** @param {"light" | "dark"} name @returns {Palette} */
export function paletteOf(name) {
  const theme = themeOf(name), stops = RANKS[name];
  return {
    ...theme, panel: PANEL[name], band: BAND[name],
    rung: (place) => scaleColour(theme.rungs, 0.28 + 0.72 * place),
    rank: (place) => scaleColour(stops, place),
    heat: (share) => scaleColour(stops, share),
  };
}

export const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
export const BOLD = `600 ${FONT}`;
