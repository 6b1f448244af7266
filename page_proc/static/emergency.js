// Stop all: always there, whatever else is dead, and it says of each device whether it is off.

import { $, setText } from "./dom.js";
import { post } from "./api.js";
import { words } from "./words.js";

export class Emergency {
  constructor(model) {
    this.model = model;
    this.asking = 0;
    $("stop-all").addEventListener("click", () => this.stopAll());
    document.addEventListener("keydown", (event) => {
      if (event.key === "." && event.ctrlKey && !event.repeat) {
        event.preventDefault();
        this.stopAll();
      }
    });
  }

  stopAll() {
    return this.ask("/api/stop", (count, ms) => words.stopped_all(count, ms));
  }

  stopOne(name) {
    return this.ask(`/api/stop/${encodeURIComponent(name)}`, (_, ms) => words.stopped_one(name, ms));
  }

  // Each press is sent: a button that waits for an answer is no stop.
  async ask(path, off, body) {
    this.asking += 1;
    const mine = this.asking;
    this.tell(words.stopping, "asked");
    const answer = await post(path, body);
    if (mine === this.asking) this.answered(answer, off);
    return answer;
  }

  answered({ status, body, ms }, off) {
    const devices = Object.entries(body.devices ?? {});
    const open = devices.filter(([, word]) => word !== "off");
    if (status === 0) this.tell(words.nobody_answers, "bad");
    else if (open.length) {
      const named = open.map(([name]) => (body.reasons?.[name] ? `${name} (${body.reasons[name]})` : name));
      this.tell(words.not_confirmed(named.join(", ")), "bad");
    } else if (status === 200) this.tell(off(devices.length, Math.round(ms)), "good");
    else this.tell(body.reason || words.asked_wrong(status), "bad");
  }

  tell(text, how) {
    setText($("stop-told"), text);
    $("stop-told").dataset.how = how;
  }

  // Somebody stopped, here or elsewhere: the room flashes once.
  seen({ device }) {
    const room = $("room");
    room.classList.remove("stopped");
    requestAnimationFrame(() => room.classList.add("stopped"));
    if (!this.recent()) this.tell(words.stopped_by_other(device), "good");
  }

  recent() {
    return $("stop-told").textContent !== "" && ["asked", "good", "bad"].includes($("stop-told").dataset.how) && this.asking > 0;
  }
}
