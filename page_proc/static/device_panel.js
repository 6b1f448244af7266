// One device: what it does, its process, its limits; and a slider and a colour to try it.

import { $, el, setHidden, setShare, setText } from "./dom.js";
import { post } from "./api.js";
import { running } from "./model.js";
import { words } from "./words.js";

const COLOURED = new Set(["light", "flash", "color-correction"]);

export class DevicePanel {
  constructor(model, stop) {
    Object.assign(this, { model, stop });
    this.name = null;
    this.panel = $("panel-device");
    this.build();
  }

  build() {
    this.hint = el("p", { class: "hint" }, words.choose);
    this.title = el("h2");
    this.does = el("p", { class: "does" });
    this.facts = {};
    const list = el("dl", { class: "facts" });
    for (const [key, word] of Object.entries(words.facts)) {
      this.facts[key] = el("dd");
      list.append(el("div", {}, el("dt", {}, word), this.facts[key]));
    }
    this.type = el("select", { id: "try-type", onchange: () => this.fields() });
    this.intensity = el("input", { id: "try-intensity", type: "range", min: 0, max: 100, value: 60, oninput: () => this.shown() });
    this.number = el("output", { for: "try-intensity" });
    this.colour = el("input", { id: "try-colour", type: "color", value: "#ff8c30" });
    this.scent = el("input", { id: "try-scent", maxlength: 60, value: "rain", autocomplete: "off" });
    this.seconds = el("input", { id: "try-seconds", type: "number", min: 0.1, max: 3600, step: 0.1, value: 3, inputmode: "decimal" });
    this.fire = el("button", { type: "submit", class: "warm", id: "fire" }, words.fire);
    this.told = el("p", { class: "told", role: "status", id: "try-told" });
    this.form = el("form", { class: "try", onsubmit: (event) => this.submit(event) },
      el("h3", {}, words.try_it),
      this.field(words.try_type, this.type), this.field(words.try_intensity, this.intensity, this.number),
      this.field(words.try_colour, this.colour), this.field(words.try_scent, this.scent), this.field(words.try_seconds, this.seconds),
      el("menu", {}, el("button", { type: "button", id: "stop-one", onclick: () => this.stop(this.name) }, words.stop_one), this.fire), this.told);
    this.body = el("div", { hidden: true }, this.title, this.does, this.form, list);
    this.panel.append(this.hint, this.body);
    this.shown();
  }

  field(word, input, ...more) {
    return el("label", {}, el("span", {}, word), input, ...more);
  }

  first() {
    if (!this.model.devices.has(this.name)) this.name = null;
    return this.name !== null;
  }

  choose(name) {
    if (this.name !== name) {
      const device = this.model.devices.get(name);
      this.type.replaceChildren(...device.effects.map((type) => el("option", { value: type }, type)));
      setHidden(this.type.parentElement, device.effects.length < 2);
      setText(this.told, "");
    }
    this.name = name;
    this.fields();
  }

  fields() {
    const type = this.type.value;
    setHidden(this.colour.parentElement, !COLOURED.has(type));
    setHidden(this.scent.parentElement, type !== "scent");
    this.fire.disabled = !this.model.mayFire(type);
    if (this.fire.disabled) setText(this.told, words.may_not_fire);
  }

  shown() {
    setShare(this.intensity);
    setText(this.number, words.percent(Number(this.intensity.value)));
  }

  async submit(event) {
    event.preventDefault();
    const type = this.type.value;
    const body = { intensity: Number(this.intensity.value), duration: Math.round(Number(this.seconds.value) * 1000), target: [this.name] };
    if (COLOURED.has(type)) body.parameters = { color: this.colour.value };
    if (type === "scent" && this.scent.value.trim()) body.parameters = { scent: this.scent.value.trim() };
    setText(this.told, words.firing);
    const { body: answer } = await post(`/api/effects/${encodeURIComponent(type)}`, body);
    const latency = typeof answer.latency_ms === "number" ? words.ms(answer.latency_ms) : "";
    setText(this.told, [words.statuses[answer.status] ?? answer.status, latency, answer.reason].filter(Boolean).join(" · "));
    this.told.dataset.status = answer.status;
  }

  ticks() {
    const device = this.model.devices.get(this.name);
    return Boolean(device?.on);
  }

  update() {
    const device = this.model.devices.get(this.name);
    setHidden(this.hint, Boolean(device));
    setHidden(this.body, !device);
    if (!device) return;
    setText(this.title, device.name);
    setText(this.does, this.doing(device));
    this.does.dataset.state = running(device) ? "on" : device.online === false ? "offline" : "off";
    const told = this.told_facts(device);
    for (const [key, node] of Object.entries(this.facts)) {
      setText(node, told[key] ?? "");
      setHidden(node.parentElement, !told[key]);
    }
  }

  doing(device) {
    if (!this.model.broker.connected || (device.online === null && device.acks)) return words.unknown;
    if (device.online === false) return words.offline;
    if (!running(device)) return device.reason || words.off;
    return `${device.effect_type} ${words.percent(device.intensity)}`;
  }

  told_facts(device) {
    const { model } = this;
    const program = model.program(device);
    const left = model.left(device);
    const on = running(device);
    const limits = device.limits ?? {};
    return {
      effect: on ? [device.effect_id, ...Object.entries(device.parameters ?? {}).map(([key, value]) => `${key} ${plain(value)}`)].filter(Boolean).join(" · ") : "",
      left: !on ? "" : left === null ? words.until_stopped : words.seconds(left),
      since: device.since && on ? words.clock(device.since) : "",
      availability: device.online === true ? words.online : device.online === false ? words.offline : device.acks ? words.unknown : words.not_told,
      latency: device.latency_ms === null ? "" : words.ms(device.latency_ms),
      kind: [device.kind, device.dry_run ? words.dry_run : ""].filter(Boolean).join(", "),
      where: device.location || words.everywhere,
      zones: device.zones.join(", "),
      limits: words.at_most(limits.max_intensity, limits.max_on_ms / 1000, limits.max_rate_hz),
      program: device.remote ? words.remote
        : program ? [device.program, words.process(words.states[program.state] ?? program.state, program.pid), program.reason].filter(Boolean).join(" · ") : "",
      restarts: program ? String(program.restarts) : "",
      memory: program?.memory_bytes ? words.megabytes(program.memory_bytes) : "",
      cpu: program && program.cpu_percent !== null ? words.percent(program.cpu_percent) : "",
    };
  }
}

const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value)).slice(0, 80);
