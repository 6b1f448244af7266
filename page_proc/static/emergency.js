// Stop all: always there, whatever else is dead, and it says of each device whether it is off.

import { $, setText } from "./dom.js";
import { post } from "./api.js";
import { words } from "./words.js";

const LIMIT_MS = 4000; // drivers confirm within 2 s, or are named
const NAMED = 5;
const AGAIN_MS = 400;
const TRIED_MS = 10_000; // what is pressed now is not to happen at some later time

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

  // Each press is sent: a button that waits for an answer is no stop. Without an answer it is sent again for a while.
  async ask(path, off, body) {
    this.asking += 1;
    const mine = this.asking;
    const until = performance.now() + TRIED_MS;
    this.tell(words.stopping, "asked");
    let answer;
    do {
      if (answer) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      answer = await post(path, body, undefined, LIMIT_MS);
      if (mine === this.asking) this.answered(answer, off);
    } while (answer.status === 0 && mine === this.asking && performance.now() < until);
    return answer;
  }

  answered({ status, body, ms }, off) {
    const devices = Object.entries(body.devices ?? {});
    const open = devices.filter(([, word]) => word !== "off");
    if (status === 0) this.tell(words.nobody_answers, "bad");
    else if (open.length && status !== 200) {
      const named = open.map(([name]) => (body.reasons?.[name] ? `${name} (${body.reasons[name]})` : name));
      this.tell(words.not_confirmed(named.join(", ")), "bad");
    } else if (open.length) { // driven elsewhere: they cannot confirm
      const names = open.map(([name]) => name);
      this.tell(words.told_only(devices.length - open.length, names.slice(0, NAMED).join(", "), Math.max(0, names.length - NAMED)), "asked");
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
