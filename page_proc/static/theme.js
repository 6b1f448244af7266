// Light or dark: by the system, until somebody chooses; and the colours of the canvases, which are those of style.css.

import { $ } from "./dom.js";

const NAMES = { plate: "--plate", line: "--hair", faint: "--faint", mid: "--mid", shade: "--shade", dot: "--dot", wave: "--wave", front: "--front",
  word: "--dim", zone: "--zone", zoneLine: "--zone-line", hold: "--warm", bad: "--bad" };
const system = matchMedia("(prefers-color-scheme: light)");
let colours = null;

export function theme() {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    colours = { dark: chosen() === "dark" };
    for (const [name, property] of Object.entries(NAMES)) colours[name] = style.getPropertyValue(property).trim();
  }
  return colours;
}

const chosen = () => stored() ?? (system.matches ? "light" : "dark");

function stored() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // a browser that stores nothing follows the system
  }
}

export function startTheme(onChange) {
  const apply = () => {
    document.documentElement.dataset.theme = chosen();
    colours = null;
    onChange();
  };
  system.addEventListener("change", apply);
  $("theme").addEventListener("click", () => {
    try {
      localStorage.setItem("theme", chosen() === "dark" ? "light" : "dark");
    } catch {
      // see above
    }
    apply();
  });
  apply();
}
