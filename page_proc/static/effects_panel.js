// The last effects, each with its receipt: done, or why not, in words; and what was never executed, to be sent again.

import { $, el, keyed, setHidden, setText } from "./dom.js";
import { post } from "./api.js";
import { words } from "./words.js";

const SHOWN = 40;

export class EffectsPanel {
  constructor(model) {
    this.model = model;
    this.count = el("p", { class: "count" });
    this.none = el("p", { class: "hint" }, words.effects_none);
    this.list = el("ol", { class: "effects" });
    this.deadTitle = el("summary");
    this.dead = el("ol", { class: "dead" });
    this.letters = el("details", {}, this.deadTitle, this.dead);
    $("panel-effects").append(this.count, this.none, this.letters, this.list);
  }

  update() {
    const { model } = this;
    const effects = [...model.effects.values()].reverse();
    const ended = effects.filter((effect) => effect.status !== "accepted");
    setHidden(this.none, effects.length > 0 || model.letters.size > 0);
    setHidden(this.count, !ended.length);
    setText(this.count, words.count_done(ended.filter((effect) => effect.status === "done").length, ended.length));
    keyed(this.list, effects.slice(0, SHOWN).map((effect) => [effect.id, effect]), () => this.make(), (node, effect) => this.write(node, effect));
    const letters = [...model.letters.values()].reverse();
    setHidden(this.letters, !letters.length);
    setText(this.deadTitle, words.dead_title(letters.length));
    keyed(this.dead, letters.slice(0, 20).map((letter) => [letter.n, letter]), (n) => this.makeDead(n), (node, letter) => this.writeDead(node, letter));
  }

  make() {
    return el("li", {}, el("span", { class: "mark", "aria-hidden": "true" }), el("span", { class: "what" }), el("span", { class: "status" }),
      el("span", { class: "latency" }), el("time"), el("p", { class: "reason" }));
  }

  write(node, effect) {
    const [, what, status, latency, time, reason] = node.children;
    node.dataset.status = effect.status;
    const devices = Object.keys(effect.devices ?? {});
    const level = typeof effect.intensity === "number" ? ` ${words.percent(effect.intensity)}` : "";
    setText(what, `${effect.effect_type ?? ""}${level}`);
    setText(status, words.statuses[effect.status] ?? effect.status);
    setText(latency, typeof effect.latency_ms === "number" ? words.ms(effect.latency_ms) : "");
    setText(time, words.clock(effect.at));
    const others = devices.length && !(devices.length === 1 && devices[0] === effect.effect_type);
    const told = [effect.reason, others ? this.each(effect) : ""].filter(Boolean).join(" · ");
    setText(reason, told);
    setHidden(reason, !told);
  }

  each(effect) {
    const words_of = Object.entries(effect.devices);
    if (words_of.every(([, word]) => word === effect.status)) {
      const names = words_of.map(([name]) => name);
      return names.length > 6 ? `${names.slice(0, 5).join(", ")} +${names.length - 5}` : names.join(", ");
    }
    return words_of.map(([name, word]) => `${name} ${words.statuses[word] ?? word}`).join(", ");
  }

  makeDead(n) {
    return el("li", {}, el("span", { class: "what" }), el("time"), el("p", { class: "reason" }),
      el("button", { type: "button", class: "quiet", onclick: (event) => this.again(n, event.currentTarget) }, words.send_again));
  }

  writeDead(node, letter) {
    const [what, time, reason, button] = node.children;
    setText(what, `${letter.topic} · ${words.statuses[letter.kind] ?? letter.kind}`);
    setText(time, words.clock(letter.at));
    setText(reason, letter.detail);
    setHidden(button, !(letter.sendable && this.model.me.may.operate));
    button.setAttribute("aria-label", words.send_again_of(`${letter.topic}, ${words.clock(letter.at)}`));
  }

  async again(n, button) {
    button.disabled = true;
    const { body } = await post(`/api/dead-letters/${n}/send`);
    button.disabled = false;
    setText(button, `${words.send_again}: ${words.statuses[body.status] ?? body.reason ?? body.status}`);
  }
}
