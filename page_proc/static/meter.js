// How smoothly the page is drawn: pictures a second, how long a change waits for its picture, and the browser's own long tasks.

import { $, setText } from "./dom.js";
import { words } from "./words.js";

const KEPT = 600;

export class Meter {
  constructor() {
    this.gaps = []; // ms between pictures while something moves
    this.waits = []; // ms from the arrival of a change to its picture
    this.longTasks = 0;
    this.worst = 0;
    this.arrived = null;
    this.last = null;
    if (PerformanceObserver.supportedEntryTypes?.includes("longtask")) {
      new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
        this.longTasks += 1;
        this.worst = Math.max(this.worst, entry.duration);
      })).observe({ type: "longtask" });
    }
    setInterval(() => this.tell(), 1000);
  }

  heard() {
    this.arrived ??= performance.now();
  }

  drawn(now, moves) {
    if (this.last !== null && moves) keep(this.gaps, now - this.last);
    this.last = moves ? now : null;
    if (this.arrived !== null) keep(this.waits, performance.now() - this.arrived);
    this.arrived = null;
  }

  // {pictures, gap99, wait99, longTasks, worst}: what tests and the corner of the room read
  get figures() {
    const gaps = this.gaps.slice(-120);
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    return {
      pictures: gaps.length ? 1000 / mean : 0, gap99: p99(this.gaps), wait99: p99(this.waits), longTasks: this.longTasks, worst: this.worst,
    };
  }

  // 1 on a machine that keeps up; on a slower one every second or third picture has to do for what is soft.
  get burden() {
    const gaps = this.gaps.slice(-30);
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / Math.max(gaps.length, 1);
    return mean > 45 ? 3 : mean > 26 ? 2 : 1;
  }

  tell() {
    if (document.hidden) return;
    const { pictures, wait99, longTasks } = this.figures;
    const moves = this.gaps.length > 5 && this.last !== null && performance.now() - this.last < 1000;
    setText($("smooth"), moves ? words.smooth(Math.round(pictures), Math.ceil(wait99), longTasks) : words.smooth_idle(longTasks));
  }
}

function keep(some, value) {
  some.push(value);
  if (some.length > KEPT) some.shift();
}

function p99(some) {
  const sorted = [...some].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * 0.99) - 1)] : 0;
}
