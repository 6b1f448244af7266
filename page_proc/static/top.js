// The top line: whose room, whether it is live; and the plate over a picture that cannot be trusted.

import { $, el, setHidden, setText } from "./dom.js";
import { post } from "./api.js";
import { words } from "./words.js";

export class Top {
  constructor(model, feed) {
    Object.assign(this, { model, feed });
    this.since = null;
    $("logout").addEventListener("click", async () => {
      await post("/logout");
      location.assign("/login");
    });
    setInterval(() => this.age(), 500);
    setText($("pulse-words"), words.connecting);
  }

  connection() {
    document.body.classList.toggle("lost", !this.feed.alive);
    this.age();
    this.update();
  }

  update() {
    const { model, feed } = this;
    if (!model.known) return;
    setText($("home-name"), model.name);
    const title = words.title(model.name);
    document.title = feed.alive ? title : `⚠ ${words.lost_short} · ${title}`;
    const ready = model.readyCount();
    const words_now = !feed.alive ? words.lost_short : !model.broker.connected ? words.no_broker : words.live(ready, model.programs.size);
    setText($("pulse-words"), words_now);
    $("pulse").dataset.state = !feed.alive ? "lost" : ready === model.programs.size && model.broker.connected ? "live" : "partly";
    this.latency();
    document.body.classList.toggle("no-broker", feed.alive && !model.broker.connected);
    this.plate();
  }

  latency() {
    const { p50, p99 } = this.model.latency;
    const told = p50 === null ? words.latency_none : words.latency(words.ms(p50), words.ms(p99));
    setText($("figures-told"), told);
  }

  plate() {
    const { model } = this;
    const words_now = model.me.may.see === false ? words.may_not_see
      : !model.broker.connected ? words.no_broker_more(model.broker.reason)
      : !model.devices.size ? words.nothing_here : "";
    setHidden($("room-plate"), !words_now);
    setText($("room-plate"), words_now);
  }

  // While the connection is lost: how old the picture is. Counted from the last word, not from when that was noticed.
  age() {
    const { feed } = this;
    const lost = !feed.alive && feed.heardAt !== null;
    setHidden($("lost"), !lost);
    if (!lost) return;
    const seconds = Math.max(0, Math.round((Date.now() - feed.heardAt) / 1000));
    const clock = words.clock(feed.heardAt);
    // a screen reader hears it once: what counts the seconds is for the eye
    if (!$("lost").firstChild) $("lost").append(el("strong"), el("span", { "aria-hidden": "true" }), el("span"));
    const [head, old, more] = $("lost").children;
    setText(head, words.lost_short);
    setText(old, words.lost(seconds, clock));
    setText(more, words.lost_more);
  }
}
