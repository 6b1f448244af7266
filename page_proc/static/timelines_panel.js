// The timelines: bring a file, its report, play, pause, seek, loop; the short ones are large buttons below the room.

import { $, el, keyed, setAttribute, setHidden, setShare, setText } from "./dom.js";
import { post } from "./api.js";
import { words } from "./words.js";

const MOST_BYTES = 4 * 1024 * 1024;
const CUE_MS = 15_000; // up to here a timeline is a cue
const TICK_MS = 250;

export class TimelinesPanel {
  constructor(model) {
    this.model = model;
    this.rows = new Map();
    this.file = el("input", { type: "file", id: "timeline-file", class: "unseen", accept: ".json,.xml,.sem,.track,.jsonl,.history", multiple: true,
      onchange: () => this.bring([...this.file.files]) });
    this.label = el("label", { class: "bring", for: "timeline-file" }, el("strong", {}, words.bring), el("span", {}, words.bring_more));
    this.told = el("p", { class: "told", role: "status", id: "timeline-told" });
    this.none = el("p", { class: "hint" }, words.timelines_none);
    this.list = el("ul", { class: "timelines" });
    $("panel-timelines").append(this.file, this.label, this.told, this.none, this.list);
    this.drops();
    setInterval(() => this.tick(), TICK_MS);
  }

  // A file may be dropped anywhere on the page.
  drops() {
    const has = (event) => event.dataTransfer?.types.includes("Files");
    const set = (on) => document.body.classList.toggle("dropping", on);
    addEventListener("dragover", (event) => has(event) && (event.preventDefault(), set(true)));
    addEventListener("dragleave", (event) => event.relatedTarget === null && set(false));
    addEventListener("drop", (event) => {
      if (!has(event)) return;
      event.preventDefault();
      set(false);
      $("tab-timelines").click();
      this.bring([...event.dataTransfer.files]);
    });
  }

  async bring(files) {
    this.file.value = "";
    for (const file of files) {
      const name = nameOf(file.name);
      if (file.size > MOST_BYTES) {
        this.tell(`${file.name}: ${words.too_large}`, "bad");
        continue;
      }
      this.tell(words.loading(name), "");
      const document_ = await file.text();
      const xml = document_.trimStart().startsWith("<");
      const { status, body } = await post(`/api/timelines/${name}/load`, document_, xml ? "application/xml" : "application/json");
      if (status === 200 && body.status !== "refused") this.tell(words.loaded(name, count(body), body.problems?.length ?? 0), "good");
      else this.tell(`${file.name}: ${body.reason ?? problem(body.problems?.[0] ?? {})}`, "bad");
    }
  }

  tell(text, how) {
    setText(this.told, text);
    this.told.dataset.how = how;
  }

  async order(name, word, body) {
    const { status, body: said } = await post(`/api/timelines/${name}/${word}`, body);
    if (status !== 200) this.tell(`${name}: ${said.reason ?? words.asked_wrong(status)}`, "bad");
  }

  shown() {
    return [...this.model.timelines].filter(([, timeline]) => timeline.status !== "empty").sort(([a], [b]) => (a < b ? -1 : 1));
  }

  update() {
    const rows = this.shown();
    setHidden(this.none, rows.length > 0);
    setHidden(this.label, !this.model.me.may.timelines);
    keyed(this.list, rows, (name) => this.make(name), (node, timeline) => this.write(node, timeline));
  }

  make(name) {
    const row = { name };
    const button = (word, order) => el("button", { type: "button", "aria-label": words.of_timeline(word, name), onclick: order }, word);
    row.title = el("strong");
    row.state = el("span", { class: "state" });
    row.seek = el("input", { type: "range", min: 0, step: 100, "aria-label": words.position(name),
      oninput: () => {
        row.dragging = true;
        setShare(row.seek);
      },
      onchange: () => {
        row.dragging = false;
        this.order(name, "seek", { position_ms: Number(row.seek.value) });
      } });
    row.clock = el("span", { class: "clock" });
    row.play = button(words.play, () => this.order(name, "play", { from_ms: 0, loop: row.loop.checked }));
    row.pause = button(words.pause, () => this.order(name, "pause"));
    row.resume = button(words.resume, () => this.order(name, "resume"));
    row.stop = button(words.stop, () => this.order(name, "stop"));
    row.loop = el("input", { type: "checkbox", "aria-label": words.of_timeline(words.loop, name) });
    row.next = el("p", { class: "next" });
    row.report = el("details", {}, el("summary"), el("ul"));
    this.rows.set(name, row);
    return el("li", {}, row.title, row.state, row.seek, row.clock,
      el("menu", {}, row.play, row.pause, row.resume, row.stop, el("label", { class: "loop" }, row.loop, words.loop)), row.next, row.report);
  }

  write(node, timeline) {
    const row = this.rows.get(node.dataset.key);
    const { status } = timeline;
    node.dataset.status = status;
    setText(row.title, timeline.title || row.name);
    setText(row.state, words.timeline_states[status] ?? status);
    setHidden(row.play, status === "playing" || status === "paused" || status === "refused");
    setHidden(row.pause, status !== "playing");
    setHidden(row.resume, status !== "paused");
    setHidden(row.stop, status !== "playing" && status !== "paused");
    row.seek.max = timeline.duration_ms;
    row.seek.disabled = !(status === "playing" || status === "paused");
    if (row.was !== `${status}${timeline.loop}` && (status === "playing" || status === "paused")) row.loop.checked = Boolean(timeline.loop);
    row.was = `${status}${timeline.loop}`;
    setHidden(node.querySelector("menu"), !this.model.me.may.timelines);
    this.report(row, timeline.problems ?? []);
    const next = timeline.next ? words.next(timeline.next.title || row.name, count(timeline.next)) : "";
    setText(row.next, next);
    setHidden(row.next, !next);
    this.progress(row, timeline);
  }

  report(row, problems) {
    setHidden(row.report, !problems.length);
    const [summary, list] = row.report.children;
    setText(summary, words.problems(problems.length));
    keyed(list, problems.slice(0, 50).map((each, n) => [n, each]), () => el("li"), (node, each) => setText(node, problem(each)));
  }

  progress(row, timeline) {
    const at = this.model.position(timeline);
    if (!row.dragging) row.seek.value = at;
    setShare(row.seek);
    setAttribute(row.seek, "aria-valuetext", clock(at));
    setText(row.clock, `${clock(row.dragging ? Number(row.seek.value) : at)} / ${clock(timeline.duration_ms)}`);
  }

  // The large buttons: what is short, and what is to hand while something longer plays.
  cues() {
    const cues = this.shown().filter(([, { duration_ms, status }]) => duration_ms <= CUE_MS && status !== "refused");
    setHidden($("cues"), !cues.length || !this.model.me.may.timelines);
    keyed($("cues"), cues, (name) => this.makeCue(name), (node, timeline) => {
      node.dataset.status = timeline.status;
      setText(node.firstChild, timeline.title || node.dataset.key);
      this.bar(node, timeline);
    });
  }

  makeCue(name) {
    return el("button", { type: "button", class: "cue", "aria-label": words.cue(name), onclick: () => this.order(name, "play", { from_ms: 0 }) },
      el("span", {}), el("small", {}), el("i", { "aria-hidden": "true" }));
  }

  bar(node, timeline) {
    const share = timeline.duration_ms ? this.model.position(timeline) / timeline.duration_ms : 0;
    setText(node.children[1], clock(timeline.duration_ms));
    node.lastChild.style.transform = `scaleX(${timeline.status === "playing" ? share.toFixed(4) : 0})`;
  }

  // Between the states that come twice a second the clock goes on by itself.
  tick() {
    if (document.hidden || !this.model.known) return;
    for (const [name, timeline] of this.model.timelines) {
      if (timeline.status !== "playing") continue;
      const row = this.rows.get(name);
      if (row && !$("panel-timelines").hidden) this.progress(row, timeline);
      for (const cue of $("cues").children) if (cue.dataset.key === name) this.bar(cue, timeline);
    }
  }
}

const count = (state) => (Array.isArray(state.effects) ? state.effects.length : Number(state.next?.effects ?? state.effects ?? 0));

const problem = ({ line, column, element, problem: what, assumed }) =>
  [words.line(line, column), element, what, assumed ? words.assumed(assumed) : ""].filter(Boolean).join(" · ");

// `Big Storm (2).json` -> `big-storm-2`: a name of a timeline
const nameOf = (file) => file.toLowerCase().replace(/\.[a-z0-9]+$/, "").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 32).replace(/-+$/, "") || "timeline";

function clock(ms) {
  const seconds = Math.floor(ms / 100) / 10;
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
}
