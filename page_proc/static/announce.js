// What a screen reader announces by itself: the connection, programs that go and come, what was not done. Not each number.

import { $ } from "./dom.js";
import { words } from "./words.js";

const QUIET_MS = 1500; // of a flood only the last line is announced

export class Announcer {
  constructor(model) {
    this.model = model;
    this.states = new Map();
    this.told = null;
    this.was = null;
  }

  say(text) {
    this.next = text;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      $("announced").textContent = this.next;
    }, QUIET_MS);
  }

  connection(alive) {
    if (this.was === alive) return;
    if (this.was !== null) this.say(alive ? words.told_back : words.told_lost);
    this.was = alive;
  }

  update(news) {
    if (news.has("programs") || news.has("room")) {
      for (const [name, { state }] of this.model.programs) {
        const before = this.states.get(name);
        if (before !== undefined && before !== state) this.say(words.told_program(name, words.states[state] ?? state));
        this.states.set(name, state);
      }
    }
    const last = [...this.model.effects.values()].at(-1);
    if (last && last.id !== this.told && last.status !== "accepted") {
      if (this.told !== null && last.status !== "done") {
        this.say(`${last.effect_type}: ${words.statuses[last.status] ?? last.status}. ${last.reason}`);
      }
      this.told = last.id;
    }
    this.told ??= "";
  }
}
