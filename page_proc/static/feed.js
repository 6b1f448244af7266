// The live stream: connects, connects again, and says when what is shown is old. A silent connection is a lost one.

const KINDS = ["room", "devices", "programs", "broker", "holds", "timelines", "effects", "dead_letters", "stopped", "beat"];
const SILENT_MS = 3000; // the server beats once a second
const AGAIN_MS = 1000;
const HIDDEN_MS = 2000;

export class Feed {
  // `onMessage(kind, data)`; `onChange()` when `alive` changes
  constructor(url, onMessage, onChange) {
    Object.assign(this, { url, onMessage, onChange });
    this.alive = false;
    this.heardAt = null; // Date.now() of the last word
    this.whole = false; // since this connection began
    setInterval(() => this.watch(), 500);
    document.addEventListener("visibilitychange", () => this.seen());
    window.addEventListener("pagehide", () => this.source?.close()); // a page kept for "back" must not keep its stream
    window.addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  // A browser has six connections to one server. Those of hidden tabs would keep a stop from being sent.
  seen() {
    clearTimeout(this.leaving);
    if (document.hidden) this.leaving = setTimeout(() => this.leave(), HIDDEN_MS);
    else if (this.source) this.watch();
    else this.open();
  }

  leave() {
    this.source?.close();
    this.source = null;
    this.set(false);
  }

  open() {
    this.source?.close();
    this.whole = false;
    this.openedAt = performance.now();
    this.source = new EventSource(this.url);
    for (const kind of KINDS) this.source.addEventListener(kind, (event) => this.hear(kind, event));
    this.source.onerror = () => this.error();
  }

  hear(kind, event) {
    this.heardAt = Date.now();
    this.heard = performance.now();
    if (kind !== "beat") this.onMessage(kind, JSON.parse(event.data));
    else this.onMessage(kind, { at: JSON.parse(event.data).at });
    this.whole ||= kind === "room"; // a change means nothing without what it changes
    this.set(this.whole);
  }

  async error() {
    this.whole = false;
    this.set(false);
    const me = await fetch("/api/me", { cache: "no-store" }).catch(() => null);
    if (me?.status === 401) location.assign("/login");
  }

  // EventSource gives up for good at some answers, and waits for ever where a machine vanished: then a new one.
  watch() {
    if (!this.source) return;
    const silent = performance.now() - Math.max(this.heard ?? 0, this.openedAt ?? 0);
    if (silent > SILENT_MS) this.set(false);
    const over = this.source?.readyState === EventSource.CLOSED ? AGAIN_MS : 2 * SILENT_MS;
    if (silent > over && performance.now() - this.openedAt > over) this.open();
  }

  set(alive) {
    if (alive === this.alive) return;
    this.alive = alive;
    this.onChange();
  }
}
