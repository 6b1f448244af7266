// The programs: whether each is ready and why not; with the right to operate, its restart and its log.

import { $, el, keyed, setHidden, setText } from "./dom.js";
import { post, text } from "./api.js";
import { words } from "./words.js";

const LOG_MS = 2000;

export class ProgramsPanel {
  constructor(model) {
    this.model = model;
    this.note = el("p", { class: "hint" }, words.unsupervised);
    this.list = el("ul", { class: "programs" });
    $("panel-programs").append(this.note, this.list);
    this.log = { dialog: $("log-dialog"), title: $("log-title"), text: $("log-text"), name: null };
    setInterval(() => this.log.dialog.open && this.atEnd() && this.read(), LOG_MS);
    $("log-again").addEventListener("click", () => this.read());
    $("log-close").addEventListener("click", () => this.log.dialog.close());
  }

  update() {
    const { model } = this;
    setHidden(this.note, model.supervised);
    keyed(this.list, model.programs, (name) => this.make(name), (node, program) => this.write(node, program));
  }

  make(name) {
    return el("li", {}, el("span", { class: "mark", "aria-hidden": "true" }), el("span", { class: "name" }, name), el("span", { class: "state" }),
      el("span", { class: "load" }), el("p", { class: "reason" }),
      el("menu", {},
        el("button", { type: "button", class: "quiet", "aria-label": words.log_of(name), onclick: () => this.open(name) }, words.log),
        el("button", { type: "button", class: "quiet", "aria-label": words.restart_of(name), onclick: (event) => this.restart(name, event.currentTarget) },
          words.restart)));
  }

  write(node, program) {
    const [, , state, load, reason, menu] = node.children;
    node.dataset.state = program.ready ? "ready" : program.state === "ready" ? "degraded" : program.state;
    setText(state, words.states[program.state] ?? program.state);
    setText(load, [words.restarted(program.restarts), program.memory_bytes ? words.megabytes(program.memory_bytes) : ""].filter(Boolean).join(" · "));
    const stale = program.stale?.length ? words.stale(program.stale) : "";
    const told = [program.reason, stale].filter(Boolean).join(" · ");
    setText(reason, told);
    setHidden(reason, !told);
    setHidden(menu, !this.model.me.may.operate);
    menu.lastElementChild.disabled = !this.model.supervised;
  }

  async restart(name, button) {
    button.disabled = true;
    const { status, body } = await post(`/api/restart/${encodeURIComponent(name)}`);
    button.disabled = false;
    $("announced").textContent = status === 200 ? words.restarting(name) : body.reason;
  }

  open(name) {
    this.log.name = name;
    setText(this.log.title, words.log_of(name));
    setText(this.log.text, "");
    this.log.dialog.showModal();
    this.read();
  }

  // A user who has scrolled up is reading: the text must not move.
  atEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.log.text;
    return scrollTop + clientHeight >= scrollHeight - 4;
  }

  async read() {
    const answer = await text(`/api/logs/${encodeURIComponent(this.log.name)}?lines=200`);
    setText(this.log.text, answer.text || words.log_empty);
    this.log.text.scrollTop = this.log.text.scrollHeight;
  }
}
