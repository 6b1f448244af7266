// The tabs beside the room, as the ARIA practices have them: arrow keys go from one to the next, only the chosen one is a tab stop.

import { $, el, setAttribute, setHidden, setText } from "./dom.js";
import { words } from "./words.js";

const NAMES = ["effects", "device", "timelines", "programs"];

export class Tabs {
  constructor(onChange) {
    this.onChange = onChange;
    this.shown = "effects";
    this.buttons = {};
    for (const name of NAMES) {
      const badge = el("span", { class: "badge", hidden: true });
      this.buttons[name] = el("button", {
        type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, onclick: () => this.open(name),
      }, el("span", {}, words.tabs[name]), badge);
      this.buttons[name].badge = badge;
      $("tabs").append(this.buttons[name]);
    }
    $("tabs").addEventListener("keydown", (event) => this.key(event));
    this.mark();
  }

  open(name) {
    this.shown = name;
    this.mark();
    this.onChange();
  }

  first(hasDevice) {
    if (!hasDevice && this.shown === "device") this.open("effects");
  }

  key(event) {
    const at = NAMES.indexOf(this.shown);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: NAMES.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.open(NAMES[(to + NAMES.length) % NAMES.length]);
    this.buttons[this.shown].focus();
  }

  mark() {
    for (const name of NAMES) {
      setAttribute(this.buttons[name], "aria-selected", String(name === this.shown));
      this.buttons[name].tabIndex = name === this.shown ? 0 : -1;
      setHidden($(`panel-${name}`), name !== this.shown);
    }
  }

  update(model) {
    const away = model.programs.size - model.readyCount();
    const playing = [...model.timelines.values()].filter((timeline) => timeline.status === "playing").length;
    this.badge("programs", away);
    this.badge("timelines", playing);
    this.badge("effects", model.letters.size);
  }

  badge(name, count) {
    const { badge } = this.buttons[name];
    setHidden(badge, !count);
    setText(badge, count ? String(count) : "");
  }
}
