// What is known of the room: the whole picture first, then each change. No element is touched here; who draws asks `changed`.

const KEPT = 100; // effects, and dead letters
const OLD_OFFSETS = 40;

export class Model {
  constructor(clock = Date.now) {
    this.clock = clock;
    this.offsets = [];
    this.clear();
  }

  clear() {
    this.known = false;
    this.name = "";
    this.broker = { connected: false, reason: "" };
    this.devices = new Map();
    this.programs = new Map();
    this.supervised = true;
    this.holds = [];
    this.timelines = new Map();
    this.effects = new Map(); // by id, the oldest first
    this.letters = new Map(); // by n, the oldest first
    this.latency = { p50: null, p99: null, count: 0 };
    this.types = {};
    this.zones = {};
    this.me = { user: null, login: false, may: {} };
    this.changed = new Set(["room"]);
    this.moved = new Set(); // names of devices that changed
    this.stops = 0;
  }

  // Now by the server's clock, Unix ms: the least delayed of the last messages shows how far apart the clocks are.
  now() {
    return this.clock() - (this.offsets.length ? Math.min(...this.offsets) : 0);
  }

  hear(at) {
    if (typeof at !== "number") return;
    this.offsets.push(this.clock() - at);
    if (this.offsets.length > OLD_OFFSETS) this.offsets.shift();
  }

  take(kind, data) {
    this.hear(data.at);
    const how = this[`take_${kind}`];
    if (!how) return;
    how.call(this, data);
    this.changed.add(kind);
  }

  take_room(data) {
    const stops = this.stops;
    this.clear();
    this.stops = stops;
    this.known = true;
    this.name = data.name;
    this.broker = data.broker;
    for (const [name, device] of Object.entries(data.devices)) {
      this.devices.set(name, { name, ...device });
      this.moved.add(name);
    }
    this.take_programs(data);
    this.holds = data.holds;
    this.timelines = new Map(Object.entries(data.timelines));
    for (const timeline of this.timelines.values()) timeline.heard = data.at;
    this.take_effects(data);
    this.take_dead_letters(data);
    this.types = data.effect_types;
    this.zones = data.zones;
    this.me = data.me;
  }

  take_devices(data) {
    for (const [name, now] of Object.entries(data.devices)) {
      const device = this.devices.get(name);
      if (!device) continue;
      Object.assign(device, now);
      this.moved.add(name);
    }
  }

  take_programs(data) {
    this.supervised = data.supervised;
    this.programs = new Map(Object.entries(data.programs));
  }

  take_broker(data) {
    this.broker = data.broker;
  }

  take_holds(data) {
    this.holds = data.holds;
  }

  take_timelines(data) {
    for (const [name, timeline] of Object.entries(data.timelines)) {
      if (timeline === null) this.timelines.delete(name);
      else this.timelines.set(name, { ...timeline, heard: data.at });
    }
  }

  take_effects(data) {
    for (const effect of [...data.effects].reverse()) {
      const before = this.effects.get(effect.id);
      if (!before || before.status === "accepted") this.effects.delete(effect.id);
      this.effects.set(effect.id, { ...before, ...effect });
    }
    trim(this.effects);
    if (data.latency) this.latency = data.latency;
  }

  take_dead_letters(data) {
    for (const letter of [...data.dead_letters].reverse()) this.letters.set(letter.n, letter);
    trim(this.letters);
  }

  take_stopped(data) {
    this.stops += 1;
    this.stopped = data.device;
  }

  // Hands out what changed since it was asked last.
  news() {
    const news = { changed: this.changed, moved: this.moved };
    this.changed = new Set();
    this.moved = new Set();
    return news;
  }

  program(device) {
    return device.program === null ? undefined : this.programs.get(device.program);
  }

  readyCount() {
    return [...this.programs.values()].filter((program) => program.ready).length;
  }

  // Seconds until it goes off without help; null: not known, or it stays on.
  left(device) {
    return device.on && device.ends_at !== null ? Math.max(0, (device.ends_at - this.now()) / 1000) : null;
  }

  heldBy(device) {
    return this.holds.find((hold) =>
      hold.target === null || hold.target.includes(device.name) || device.zones.some((zone) => hold.target.includes(zone)));
  }

  position(timeline) {
    const since = timeline.status === "playing" ? Math.max(0, this.now() - timeline.heard) : 0;
    return Math.min(timeline.position_ms + since, timeline.duration_ms);
  }

  mayFire(type) {
    const may = this.me.may.effects;
    return may === true || (Array.isArray(may) && may.includes(type));
  }
}

function trim(map) {
  for (const key of map.keys()) {
    if (map.size <= KEPT) return;
    map.delete(key);
  }
}

// Whether the actuator is felt now, as far as can be known.
export function running(device) {
  return device.on && device.intensity > 0 && device.online !== false;
}
