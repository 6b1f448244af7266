// Hold and release: the button beside stop all, its questions, and a banner for each hold across the whole page.

import { $, el, keyed, setHidden, setText } from "./dom.js";
import { words } from "./words.js";

export class Holds {
  constructor(model, emergency) {
    Object.assign(this, { model, emergency });
    this.dialog = $("hold-dialog");
    $("hold").addEventListener("click", () => (this.mine() ? this.release(this.me()) : this.open()));
    $("hold-cancel").addEventListener("click", () => this.dialog.close());
    $("hold-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.dialog.close();
      this.hold();
    });
  }

  me() {
    return this.model.me.user ?? "page";
  }

  mine() {
    return this.model.holds.some((hold) => hold.name === this.me());
  }

  open() {
    const options = [["", words.hold_all]];
    for (const zone of Object.keys(this.model.zones)) options.push([zone, words.hold_zone(zone)]);
    for (const device of this.model.devices.keys()) options.push([device, words.hold_device(device)]);
    $("hold-target").replaceChildren(...options.map(([value, text]) => el("option", { value }, text)));
    $("hold-name").value = this.me();
    $("hold-reason").value = "";
    this.dialog.showModal();
    $("hold-reason").focus();
  }

  async hold() {
    const target = $("hold-target").value;
    const body = { reason: $("hold-reason").value.trim() };
    const name = $("hold-name").value.trim();
    if (name) body.name = name;
    if (target) body.target = [target];
    await this.emergency.ask("/api/hold", (count, ms) => words.held(count, ms), body);
  }

  async release(name) {
    await this.emergency.ask("/api/release", () => words.released(name), { name });
  }

  update() {
    const { holds, me } = this.model;
    setHidden($("holds"), !holds.length);
    setHidden($("hold"), me.may.hold === false);
    setText($("hold").firstElementChild, this.mine() ? words.release : words.hold);
    document.body.classList.toggle("held", holds.some((hold) => hold.target === null));
    keyed($("holds"), holds.map((hold) => [hold.name, hold]), (name) => this.make(name), (node, hold) => this.write(node, hold));
  }

  make(name) {
    return el("li", {}, el("strong"), el("span"),
      el("button", { type: "button", "aria-label": words.release_of(name), onclick: () => this.release(name) }, words.release));
  }

  write(node, hold) {
    const [line, what, button] = node.children;
    setText(line, words.hold_line(hold.name, hold.reason));
    setText(what, `${words.hold_what(hold.target)}, ${words.hold_since(words.clock(hold.since))}`);
    setHidden(button, this.model.me.may.hold === false);
  }
}
