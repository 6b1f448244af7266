// The room from above: three canvases and a button a device. All that came is drawn in the next frame, once; nothing runs while nothing moves.

import { $, el, keyed, setAttribute, setText } from "./dom.js";
import { COARSE, drawAir } from "./air.js";
import { drawFloor } from "./floor.js";
import { colourOf, shapeOf } from "./look.js";
import { running } from "./model.js";
import { arrange, heightFor } from "./place.js";
import { drawThing } from "./things.js";
import { theme } from "./theme.js";
import { fitted } from "./fitted.js";
import { words } from "./words.js";

const TURNS = 9; // rad/s of a fan at 100 %
const LABELS_MS = 100; // a number that changes oftener cannot be read
const MARGIN = { x: 18, top: 52, bottom: 34 };

export class Stage {
  constructor(model, meter, onChoose) {
    Object.assign(this, { model, meter, onChoose });
    this.room = $("room");
    this.list = $("devices");
    this.canvases = ["floor", "air", "things"].map((id) => $(id));
    [this.floor, this.air, this.things] = this.canvases.map((canvas) => canvas.getContext("2d"));
    this.nodes = new Map();
    this.chosen = null;
    this.stale = new Set(); // labels to be written
    this.labelled = 0;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.calm.addEventListener("change", () => this.wake());
    this.list.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(this.room);
    document.addEventListener("visibilitychange", () => this.wake());
  }

  // `names`: of the devices that changed; `all`: the room is a new one
  changed(names, all) {
    if (all) this.build();
    for (const name of names) this.stale.add(name);
    this.wake();
  }

  build() {
    const devices = [...this.model.devices.values()];
    keyed(this.list, devices.map((device) => [device.name, device]), (name) => this.make(name), () => {});
    for (const name of this.nodes.keys()) if (!this.model.devices.has(name)) this.nodes.delete(name);
    if (!this.model.devices.has(this.chosen)) this.chosen = null;
    for (const name of this.model.devices.keys()) this.stale.add(name);
    this.resize();
    this.tabStop();
  }

  make(name) {
    const value = el("span", { class: "value" });
    const label = el("span", { class: "name" }, name);
    const button = el("button", { type: "button", title: name, onclick: () => this.choose(name) }, label, value);
    this.nodes.set(name, { button, value, label, level: 0, turn: seed(name) * 6, colour: null, seed: seed(name), x: 0, y: 0 });
    return el("li", {}, button);
  }

  choose(name) {
    this.chosen = name;
    for (const [each, node] of this.nodes) setAttribute(node.button, "aria-pressed", String(each === name));
    this.tabStop();
    this.onChoose(name);
  }

  tabStop() {
    const stop = this.chosen ?? this.nodes.keys().next().value;
    for (const [name, node] of this.nodes) {
      node.button.tabIndex = name === stop ? 0 : -1;
      setAttribute(node.button, "aria-pressed", String(name === this.chosen));
    }
  }

  // An arrow key goes to the nearest in that direction.
  key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const from = [...this.nodes].find(([, node]) => node.button === document.activeElement)?.[1];
    if (!way || !from) return;
    event.preventDefault();
    let best = null, least = Infinity;
    for (const node of this.nodes.values()) {
      const dx = node.x - from.x, dy = node.y - from.y;
      const along = dx * way[0] + dy * way[1], aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
      if (along > 1 && along + 2.2 * aside < least) [best, least] = [node, along + 2.2 * aside];
    }
    if (!best) return;
    for (const node of this.nodes.values()) node.button.tabIndex = node === best ? 0 : -1;
    best.button.focus();
  }

  resize() {
    const count = this.model.devices.size;
    this.room.style.setProperty("--needed", `${heightFor(count, this.room.clientWidth)}px`);
    const width = this.room.clientWidth, height = this.room.clientHeight;
    if (!width || !height) return;
    Object.assign(this, { width, height });
    this.scale = Math.min(devicePixelRatio || 1, 2);
    this.canvases.forEach((canvas) => {
      const scale = canvas.id === "air" ? 1 / COARSE : this.scale;
      canvas.width = Math.ceil(width * scale);
      canvas.height = Math.ceil(height * scale);
    });
    const devices = [...this.model.devices.values()];
    const inner = { width: width - 2 * MARGIN.x, height: height - MARGIN.top - MARGIN.bottom };
    const { size, wide, spots } = arrange(devices, inner.width, inner.height);
    this.radius = size * 0.39;
    this.room.style.setProperty("--size", `${size}px`);
    this.room.style.setProperty("--wide", `${wide}px`);
    this.small = wide < 96;
    this.list.classList.toggle("small", this.small);
    for (const [name, spot] of spots) {
      const node = this.nodes.get(name);
      node.x = spot.x + MARGIN.x;
      node.y = spot.y + MARGIN.top;
      setText(node.label, fitted(name, wide - 8, this.small));
      setAttribute(node.label, "aria-label", node.label.textContent === name ? null : name);
      node.button.style.transform = `translate(${(node.x - wide / 2).toFixed(1)}px, ${(node.y - size / 2).toFixed(1)}px)`;
    }
    this.paintFloor();
    this.wake();
  }

  paintFloor() {
    const at = (name) => this.nodes.get(name);
    const zones = Object.entries(this.model.zones).map(([name, names]) => ({
      name, reach: this.radius * 1.5,
      members: names.map(at).filter(Boolean),
      others: [...this.nodes].filter(([each]) => !names.includes(each)).map(([, node]) => node),
    }));
    this.floor.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    drawFloor(this.floor, this.width, this.height, theme(), words, zones);
  }

  // What is shown is old: it stands still, for what moves looks alive.
  freeze(frozen) {
    this.frozen = frozen;
    this.drawnAt = undefined;
    this.wake();
  }

  wake() {
    if (this.asked || this.frozen || document.hidden) return;
    this.asked = requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.asked = null;
    if (!this.width || this.frozen) return;
    const span = Math.min((now - (this.drawnAt ?? now)) / 1000, 0.1);
    this.drawnAt = now;
    const items = [];
    let moves = false;
    for (const [name, node] of this.nodes) {
      const device = this.model.devices.get(name);
      moves = this.step(node, device, span) || moves;
      items.push(this.item(node, device, now / 1000));
    }
    const paint = theme();
    this.count = (this.count ?? 0) + 1;
    if (this.count % this.meter.burden === 0 || !moves) drawAir(this.air, items, this.width, this.height, paint); // the first thing to be spared
    this.things.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    this.things.clearRect(0, 0, this.width, this.height);
    for (const item of items) drawThing(this.things, item);
    if (now - this.labelled >= LABELS_MS) this.label(now);
    this.meter.drawn(now, moves);
    if (moves || this.stale.size) this.again(moves);
  }

  // Calm: without motion twice a second is enough for what changes by itself, the time left.
  again(moves) {
    if (moves && !(this.calm.matches && !this.settling)) this.wake();
    else this.later ??= setTimeout(() => {
      this.later = null;
      this.wake();
    }, this.stale.size ? LABELS_MS : 500);
  }

  // Goes a step from what is shown to what is; whether it has to go on.
  step(node, device, span) {
    const on = running(device) && this.model.broker.connected;
    const wanted = on ? device.intensity / 100 : 0;
    node.shape = shapeOf(device);
    const paint = theme();
    const colour = colourOf(device, node.shape, paint.dark ? "dark" : "light");
    if (on || !node.colour) node.colour = colour; // what fades out keeps its colour
    const pace = node.shape === "lamp" ? 30 : 9;
    node.level += (wanted - node.level) * (this.calm.matches ? 1 : 1 - Math.exp(-span * pace));
    if (Math.abs(node.level - wanted) < 0.003) node.level = wanted;
    if (!this.calm.matches) node.turn += span * TURNS * (node.level > 0 ? 0.25 + 0.75 * node.level : 0);
    if (on && device.ends_at !== null) this.stale.add(device.name);
    this.settling = node.level !== wanted;
    return on ? node.shape !== "lamp" || node.level !== wanted || device.ends_at !== null : node.level > 0;
  }

  item(node, device, t) {
    const [x, , z] = device.place;
    return {
      x: node.x, y: node.y, r: this.radius, shape: node.shape, level: node.level, turn: node.turn, t, seed: node.seed,
      colour: node.level > 0 ? node.colour : colourOf(device, node.shape, theme().dark ? "dark" : "light"),
      wide: ((x === null) + (z === null)) / 2, state: this.stateOf(device), theme: theme(), calm: this.calm.matches,
    };
  }

  stateOf(device) {
    if (this.model.heldBy(device)) return "held";
    if (!this.model.broker.connected) return "unknown";
    if (device.online === false) return "offline";
    if (device.online === null && device.acks) return "unknown";
    return running(device) ? "on" : "off";
  }

  label(now) {
    this.labelled = now;
    for (const name of this.stale) {
      const device = this.model.devices.get(name), node = this.nodes.get(name);
      if (!node) continue;
      const state = this.stateOf(device);
      setAttribute(node.button, "data-state", state);
      setText(node.value, this.value(device, state));
    }
    this.stale.clear();
  }

  value(device, state) {
    if (state === "held") return words.held_off;
    if (state === "offline") return words.offline;
    if (state === "unknown") return words.unknown;
    if (state === "off") return device.reason ? words.limited : words.off;
    const left = this.model.left(device);
    return words.percent(device.intensity) + (left === null || this.small ? "" : ` · ${words.seconds(left)}`);
  }
}

// 0..1, the same for the same name
function seed(name) {
  let sum = 17;
  for (const letter of name) sum = (sum * 33 + letter.charCodeAt(0)) % 8191;
  return sum / 8191;
}
