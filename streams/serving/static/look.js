/**
 * Choose light or dark, and give segments their colours.
 *
 * Responsible for the reader's choice and for colours as scripts need them. Everything else about
 * looks stands in `style.css`.
 */
import { fill, h } from "./dom.js";
import { t } from "./text.js";

const KEY = "rewake.theme";
const THEMES = ["auto", "light", "dark"];
const dark = matchMedia("(prefers-color-scheme: dark)");
let theme = THEMES.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";

// White text on each has a contrast of 4.5 or more, on a light page and on a dark one.
const COLOURS = [
  "#4457d6", "#0b7285", "#2b7a3d", "#9a5f0b", "#b23c36", "#8b3fae",
  "#1c6aa8", "#6f6a12", "#a8427f", "#4f6472", "#7c5138", "#5b52a3",
];

/** For what has no class: as readable as the others. */
export const NEUTRAL = "#667384";

function apply(button) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  fill(button, h("span", { class: "hidden" }, t("theme.label")), t(`theme.${theme}`));
}

/** Let a button go through the themes; `changed` is called when the looks have. */
export function dress(button, changed) {
  apply(button);
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem(KEY, theme);
    apply(button);
    changed();
  });
  dark.addEventListener("change", changed);
  return () => apply(button);
}

/** The colour of a system's segment, by its place among them. */
export const colourAt = (place) => COLOURS[place % COLOURS.length];

/** What a colour of the style sheet is at present. */
export function colourOf(name) {
  const probe = document.createElement("i");
  probe.style.setProperty("color", `var(${name})`);
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
