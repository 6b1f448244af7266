// Draws one device as a figure on a canvas: a lamp, a fan, a seat, a bottle of scent, a level. `level` 0..1, `t` seconds.

import { css } from "./look.js";

const TAU = Math.PI * 2;
const TOP = -Math.PI / 2;
const ARCS = 8; // of air around a fan
const SMALL = 45; // px; below, and so in a crowd, invisible details are not drawn

// `it`: {x, y, r, shape, colour, level, turn, t, seed, calm, state: "on" | "off" | "offline" | "unknown" | "held", theme}
export function drawThing(ctx, it) {
  ctx.save();
  ctx.translate(it.x, it.y);
  plate(ctx, it);
  const known = it.state !== "unknown" && it.state !== "offline";
  ctx.globalAlpha = known ? 1 : 0.4;
  SHAPES[it.shape](ctx, it);
  ctx.globalAlpha = 1;
  if (it.state === "held") bar(ctx, it);
  if (it.state === "offline") cross(ctx, it);
  ctx.restore();
}

// The dish that each stands on, with its level as an arc around it.
function plate(ctx, { r, colour, level, state, theme }) {
  ctx.beginPath();
  ctx.arc(0, 0, r, 0, TAU);
  ctx.fillStyle = theme.plate;
  ctx.fill();
  ctx.lineWidth = Math.max(1, r * 0.028);
  ctx.strokeStyle = state === "offline" ? theme.bad : theme.line;
  ctx.setLineDash(state === "offline" || state === "unknown" ? [r * 0.1, r * 0.12] : []);
  ctx.stroke();
  ctx.setLineDash([]);
  if (level < 0.004) return;
  ctx.beginPath();
  ctx.arc(0, 0, r * 1.13, TOP, TOP + TAU * level);
  ctx.lineWidth = Math.max(1.5, r * 0.055);
  ctx.lineCap = "round";
  ctx.strokeStyle = css(colour, 0.95);
  ctx.stroke();
}

function lamp(ctx, { r, colour, level, theme }) {
  const lit = Math.sqrt(level); // the eye takes a quarter of the light for half as bright
  if (level > 0.003) {
    const glow = ctx.createRadialGradient(0, 0, 0, 0, 0, r * 0.95);
    glow.addColorStop(0, css(theme.dark ? colour.map((part) => part + (255 - part) * 0.75 * lit) : colour, lit));
    glow.addColorStop(0.38, css(colour, 0.95 * lit));
    glow.addColorStop(1, css(colour, 0.12 * lit));
    ctx.fillStyle = glow;
    ctx.beginPath();
    ctx.arc(0, 0, r * 0.95, 0, TAU);
    ctx.fill();
  }
  ctx.lineWidth = Math.max(1, r * 0.035);
  ctx.strokeStyle = level > 0.003 ? css(colour, 0.5) : theme.faint;
  for (const share of [0.36, 0.66]) {
    ctx.beginPath();
    ctx.arc(0, 0, r * share, 0, TAU);
    ctx.stroke();
  }
}

// Arcs of moving air run out from it.
function gusts(ctx, { r, colour, level, turn, seed, theme, calm }) {
  const arcs = r < SMALL ? ARCS / 2 : ARCS;
  for (let n = 0; n < arcs; n++) {
    const out = ((calm ? 0.3 : turn * 0.03) + n / arcs + seed) % 1;
    const start = turn * 0.18 + n * 2.4 + seed * 5;
    ctx.strokeStyle = css(colour, (theme.dark ? 0.3 : 0.34) * (0.25 + 0.75 * level) * Math.sin(Math.PI * out));
    ctx.lineWidth = r * (0.025 + 0.035 * out);
    ctx.beginPath();
    ctx.arc(0, 0, r * (1.25 + 1.15 * out), start, start + 1.1 + 0.9 * level);
    ctx.stroke();
  }
}

function fan(ctx, it) {
  const { r, colour, level, turn, theme } = it;
  const on = level > 0.003;
  ctx.lineCap = "round";
  if (on) gusts(ctx, it);
  ctx.save();
  ctx.rotate(turn);
  const ghosts = Math.min(r < SMALL ? 1 : 3, Math.floor(level * 4)); // what a turning blade leaves in the eye
  for (let ghost = ghosts; ghost >= 0; ghost--) {
    ctx.save();
    ctx.rotate(-ghost * 0.2 * level);
    ctx.fillStyle = on ? css(colour, (0.34 + 0.5 * level) / (1 + ghost * 1.7)) : theme.faint;
    for (let blade = 0; blade < 3; blade++) {
      ctx.rotate(TAU / 3);
      ctx.beginPath();
      ctx.moveTo(r * 0.1, -r * 0.06);
      ctx.bezierCurveTo(r * 0.3, -r * 0.5, r * 0.72, -r * 0.52, r * 0.86, -r * 0.16);
      ctx.bezierCurveTo(r * 0.72, r * 0.02, r * 0.4, r * 0.02, r * 0.1, r * 0.1);
      ctx.fill();
    }
    ctx.restore();
  }
  ctx.restore();
  ctx.beginPath();
  ctx.arc(0, 0, r * 0.13, 0, TAU);
  ctx.fillStyle = on ? css(colour) : theme.line;
  ctx.fill();
}

function seat(ctx, { r, colour, level, t, theme, calm }) {
  const on = level > 0.003;
  const swing = on && !calm ? r * (0.025 + 0.11 * level) : 0;
  const dx = swing * Math.sin(t * 71), dy = swing * 0.7 * Math.sin(t * 93 + 1);
  ctx.lineWidth = Math.max(1.2, r * 0.05);
  ctx.lineCap = "round";
  if (on) {
    for (let ring = 0; ring < (r < SMALL ? 1 : 2); ring++) { // the shaking runs out through the floor
      const out = calm ? 0.4 + ring * 0.3 : (t * 1.6 + ring / 2) % 1;
      ctx.strokeStyle = css(colour, 0.5 * level * (1 - out));
      ctx.beginPath();
      ctx.arc(0, 0, r * (0.62 + 0.75 * out), 0, TAU);
      ctx.stroke();
    }
  }
  ctx.translate(dx, dy);
  ctx.strokeStyle = on ? css(colour) : theme.mid;
  ctx.fillStyle = on ? css(colour, 0.16 + 0.34 * level) : theme.shade;
  ctx.scale(1.12, 1.12);
  round(ctx, -r * 0.4, -r * 0.42, r * 0.8, r * 0.74, r * 0.18); // the cushion, looking to the front
  ctx.fill();
  ctx.stroke();
  ctx.beginPath(); // arms and back
  ctx.moveTo(-r * 0.56, -r * 0.26);
  ctx.lineTo(-r * 0.56, r * 0.3);
  ctx.quadraticCurveTo(-r * 0.56, r * 0.53, -r * 0.33, r * 0.53);
  ctx.lineTo(r * 0.33, r * 0.53);
  ctx.quadraticCurveTo(r * 0.56, r * 0.53, r * 0.56, r * 0.3);
  ctx.lineTo(r * 0.56, -r * 0.26);
  ctx.stroke();
}

function scent(ctx, { r, colour, level, theme }) {
  const on = level > 0.003;
  ctx.lineWidth = Math.max(1.2, r * 0.045);
  ctx.lineJoin = "round";
  ctx.strokeStyle = on ? css(colour) : theme.mid;
  ctx.fillStyle = on ? css(colour, 0.14 + 0.3 * level) : theme.shade;
  ctx.beginPath(); // a drop that is a leaf
  ctx.moveTo(0, -r * 0.62);
  ctx.bezierCurveTo(r * 0.62, -r * 0.2, r * 0.5, r * 0.56, 0, r * 0.56);
  ctx.bezierCurveTo(-r * 0.5, r * 0.56, -r * 0.62, -r * 0.2, 0, -r * 0.62);
  ctx.fill();
  ctx.stroke();
  ctx.beginPath();
  ctx.moveTo(0, r * 0.34);
  ctx.quadraticCurveTo(r * 0.05, -r * 0.05, 0, -r * 0.3);
  ctx.moveTo(0, r * 0.14);
  ctx.lineTo(r * 0.2, -r * 0.04);
  ctx.moveTo(0, r * 0.02);
  ctx.lineTo(-r * 0.18, -r * 0.14);
  ctx.stroke();
}

function fog(ctx, { r, colour, level, t, theme, calm }) {
  const on = level > 0.003;
  ctx.lineWidth = Math.max(1.2, r * 0.06);
  ctx.lineCap = "round";
  ctx.strokeStyle = on ? css(colour, 0.45 + 0.5 * level) : theme.mid;
  for (let row = -1; row <= 1; row++) {
    const drift = on && !calm ? Math.sin(t * 0.9 + row * 2) * r * 0.1 : 0;
    ctx.beginPath();
    for (let step = 0; step <= 20; step++) {
      const x = (step / 20 - 0.5) * r * 1.15 + drift;
      const y = row * r * 0.3 + Math.sin(step / 20 * TAU * 1.25 + row) * r * 0.09;
      if (step) ctx.lineTo(x, y);
      else ctx.moveTo(x, y);
    }
    ctx.stroke();
  }
}

function spray(ctx, { r, colour, level, t, theme, calm }) {
  const on = level > 0.003;
  ctx.fillStyle = on ? css(colour) : theme.mid;
  for (let drop = 0; drop < 12; drop++) {
    const out = on && !calm ? (t * (0.7 + level) + drop * 0.37) % 1 : (drop % 3) / 3 + 0.1;
    const angle = (drop / 12) * TAU;
    ctx.globalAlpha = on ? (1 - out) * (0.4 + 0.6 * level) : 0.55;
    ctx.beginPath();
    ctx.arc(Math.cos(angle) * r * (0.2 + 0.68 * out), Math.sin(angle) * r * (0.2 + 0.68 * out), r * 0.06, 0, TAU);
    ctx.fill();
  }
}

function heat(ctx, it) {
  rays(ctx, it, 8, 0.3, (t, n) => 0.58 + 0.2 * Math.sin(t * 2.4 + n * 2.1));
}

function cold(ctx, it) {
  rays(ctx, it, 6, 0.0, () => 0.66);
}

function rays(ctx, { r, colour, level, t, theme, calm }, count, from, reach) {
  const on = level > 0.003;
  ctx.strokeStyle = on ? css(colour, 0.5 + 0.5 * level) : theme.mid;
  ctx.fillStyle = on ? css(colour, 0.25 + 0.6 * level) : theme.shade;
  ctx.lineWidth = Math.max(1.2, r * 0.06);
  ctx.lineCap = "round";
  if (from) {
    ctx.beginPath();
    ctx.arc(0, 0, r * from, 0, TAU);
    ctx.fill();
    ctx.stroke();
  }
  for (let n = 0; n < count; n++) {
    const to = r * (on && !calm ? reach(t, n) : 0.62);
    ctx.beginPath();
    ctx.moveTo(Math.cos((n / count) * TAU) * r * (from ? from + 0.14 : 0), Math.sin((n / count) * TAU) * r * (from ? from + 0.14 : 0));
    ctx.lineTo(Math.cos((n / count) * TAU) * to, Math.sin((n / count) * TAU) * to);
    ctx.stroke();
  }
}

function level(ctx, { r, colour, level: share, t, theme, calm }) {
  if (share > 0.003) {
    ctx.save();
    ctx.beginPath();
    ctx.arc(0, 0, r * 0.84, 0, TAU);
    ctx.clip();
    ctx.beginPath();
    const top = r * 0.84 * (1 - 2 * share);
    for (let step = 0; step <= 16; step++) {
      const x = (step / 8 - 1) * r;
      ctx.lineTo(x, top + (calm ? 0 : Math.sin(t * 2.2 + step * 0.6) * r * 0.04));
    }
    ctx.lineTo(r, r);
    ctx.lineTo(-r, r);
    ctx.fillStyle = css(colour, 0.8);
    ctx.fill();
    ctx.restore();
  }
  ctx.lineWidth = Math.max(1, r * 0.04);
  ctx.strokeStyle = share > 0.003 ? css(colour, 0.8) : theme.mid;
  ctx.beginPath();
  ctx.arc(0, 0, r * 0.84, 0, TAU);
  ctx.stroke();
}

function bar(ctx, { r, theme }) { // held: a lock over it
  ctx.fillStyle = theme.hold;
  round(ctx, -r * 0.3, -r * 0.06, r * 0.6, r * 0.46, r * 0.08);
  ctx.fill();
  ctx.lineWidth = r * 0.11;
  ctx.strokeStyle = theme.hold;
  ctx.beginPath();
  ctx.arc(0, -r * 0.06, r * 0.19, Math.PI, 0);
  ctx.stroke();
}

function cross(ctx, { r, theme }) {
  ctx.strokeStyle = theme.bad;
  ctx.lineWidth = Math.max(1.5, r * 0.06);
  ctx.lineCap = "round";
  ctx.beginPath();
  ctx.moveTo(-r * 0.6, r * 0.6);
  ctx.lineTo(r * 0.6, -r * 0.6);
  ctx.stroke();
}

function round(ctx, x, y, w, h, radius) {
  ctx.beginPath();
  ctx.roundRect(x, y, w, h, radius);
}

const SHAPES = { lamp, fan, seat, scent, fog, spray, heat, cold, level };
