// Draws what fills the room: light on the floor, drifting scent and fog. A small canvas, blown up: all of it is soft anyway.

import { css } from "./look.js";

const TAU = Math.PI * 2;
export const COARSE = 4; // px of the screen a pixel of this canvas

// `items` as in things.js, with `wide`: 0..1, how much of the room its place leaves open; `seed`
export function drawAir(ctx, items, width, height, theme) {
  ctx.setTransform(1 / COARSE, 0, 0, 1 / COARSE, 0, 0);
  ctx.clearRect(0, 0, width + COARSE, height + COARSE); // to the end of the last pixel
  ctx.globalCompositeOperation = theme.dark ? "lighter" : "multiply";
  everywhere(ctx, items, width, height, theme);
  for (const it of items) if (it.level > 0.004) AIR[it.shape]?.(ctx, it, width, height, theme);
  ctx.globalCompositeOperation = "source-over";
}

function blob(ctx, x, y, r, colour, alpha) {
  const soft = ctx.createRadialGradient(x, y, 0, x, y, r);
  soft.addColorStop(0, css(colour, alpha));
  soft.addColorStop(0.35, css(colour, alpha * 0.5));
  soft.addColorStop(0.7, css(colour, alpha * 0.12));
  soft.addColorStop(1, css(colour, 0));
  ctx.fillStyle = soft;
  ctx.fillRect(x - r, y - r, 2 * r, 2 * r);
}

// The lamps that stand for the whole room light it together: one mixed light, however many they are.
function everywhere(ctx, items, width, height, theme) {
  let sum = 0, most = 0, x = 0, y = 0;
  const mixed = [0, 0, 0];
  for (const it of items) {
    if (it.shape !== "lamp" || !it.wide || it.level < 0.004) continue;
    const lit = Math.sqrt(it.level) * it.wide;
    sum += lit;
    most = Math.max(most, lit);
    x += it.x * lit;
    y += it.y * lit;
    for (let part = 0; part < 3; part++) mixed[part] += it.colour[part] * lit;
  }
  if (!sum) return;
  const middle = { x: (x / sum + width / 2) / 2, y: (y / sum + height / 2) / 2 };
  const full = 255 / Math.max(...mixed); // many colours together are bright, not grey
  blob(ctx, middle.x, middle.y, Math.hypot(width, height) * 0.6, mixed.map((part) => part * full), most * (theme.dark ? 0.36 : 0.45));
}

function lamp(ctx, it, width, height, theme) {
  blob(ctx, it.x, it.y, it.r * 3.6, it.colour, Math.sqrt(it.level) * (theme.dark ? 0.5 : 0.55));
}

function glow(ctx, it, width, height, theme) {
  blob(ctx, it.x, it.y, it.r * 3.2, it.colour, it.level * (theme.dark ? 0.3 : 0.3));
}

function scent(ctx, it, width, height, theme) {
  puffs(ctx, it, 9, 9.0, 2.9, 1.15, theme.dark ? 0.3 : 0.34);
}

function fog(ctx, it, width, height, theme) {
  puffs(ctx, it, 12, 16.0, 4.2, 2.1, theme.dark ? 0.2 : 0.3);
}

// Clouds that leave the figure one after the other and go their winding way out, `life` seconds each.
function puffs(ctx, it, count, life, far, big, alpha) {
  const shown = Math.max(2, Math.round(count * (0.4 + 0.6 * it.level)));
  for (let n = 0; n < shown; n++) {
    const age = ((it.calm ? 3.7 : it.t) / life + n / shown + it.seed) % 1;
    const angle = it.seed * TAU + n * 2.4 + Math.sin(age * 3 + n) * 0.7;
    const way = it.r * (0.5 + far * age);
    const fade = Math.sin(Math.PI * Math.min(1, age * 1.08));
    blob(ctx, it.x + Math.cos(angle) * way, it.y + Math.sin(angle) * way * 0.8 - age * it.r * 0.9, it.r * (0.7 + big * age),
      it.colour, alpha * fade * (0.35 + 0.65 * it.level));
  }
}

const AIR = { lamp, scent, fog, heat: glow, cold: glow, spray: glow };
