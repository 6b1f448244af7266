// Draws the floor once: its dots, the line of the front, the rows, and a thin line around each zone.

import { outline } from "./place.js";

export function drawFloor(ctx, width, height, theme, words, zones) {
  ctx.clearRect(0, 0, width, height);
  waves(ctx, width, height, theme);
  dots(ctx, width, height, theme);
  front(ctx, width, height, theme, words);
  for (const zone of zones) around(ctx, zone, theme);
}

// How much a row is bent at x: as a theatre's rows, and as place.js stands the devices.
const bend = (x, width, height) => -(((x - width / 2) / width) ** 2) * height * 0.22;

function dots(ctx, width, height, theme) {
  const step = 28;
  const middle = width / 2;
  for (let x = middle % step; x < width; x += step) {
    for (let y = step; y < height + height * 0.06; y += step) {
      const row = y + bend(x, width, height);
      const far = Math.hypot((x - middle) / width, (row - height / 2) / height) * 1.5;
      ctx.globalAlpha = Math.max(0, 1 - far);
      ctx.fillStyle = theme.dot;
      ctx.fillRect(x - 0.75, row - 0.75, 1.5, 1.5);
    }
  }
  ctx.globalAlpha = 1;
}

// Rings that run out from the front, as sound does.
function waves(ctx, width, height, theme) {
  ctx.strokeStyle = theme.wave;
  ctx.lineWidth = 1;
  const step = Math.max(70, height / 7);
  for (let n = 1; n * step < Math.hypot(width, height * 1.4); n++) {
    ctx.globalAlpha = Math.max(0.15, 1 - n / 12);
    ctx.beginPath();
    ctx.ellipse(width / 2, -height * 0.35, n * step * 1.25, n * step, 0, 0, Math.PI);
    ctx.stroke();
  }
  ctx.globalAlpha = 1;
}

function front(ctx, width, height, theme, words) {
  const y = 30;
  const wide = Math.min(width * 0.72, 900);
  const from = (width - wide) / 2;
  const line = ctx.createLinearGradient(from, 0, from + wide, 0);
  line.addColorStop(0, "transparent");
  line.addColorStop(0.5, theme.front);
  line.addColorStop(1, "transparent");
  ctx.strokeStyle = line;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.moveTo(from, y + bend(from, width, height) * -0.35);
  ctx.quadraticCurveTo(width / 2, y - 12, from + wide, y + bend(from, width, height) * -0.35);
  ctx.stroke();
  ctx.fillStyle = theme.word;
  ctx.font = "600 10.5px system-ui, sans-serif";
  ctx.textAlign = "center";
  ctx.letterSpacing = "3px";
  ctx.fillText(words.front.toUpperCase(), width / 2, y + 14);
  ctx.fillText(words.back.toUpperCase(), width / 2, height - 14);
  ctx.letterSpacing = "0px";
}

function around(ctx, { name, members, others, reach }, theme) {
  const hull = outline(members, others, reach);
  if (!hull) return;
  ctx.beginPath();
  hull.forEach((point, n) => (n ? ctx.lineTo(point.x, point.y) : ctx.moveTo(point.x, point.y)));
  ctx.closePath();
  ctx.fillStyle = theme.zone;
  ctx.fill();
  ctx.strokeStyle = theme.zoneLine;
  ctx.lineWidth = 1;
  ctx.setLineDash([2, 5]);
  ctx.stroke();
  ctx.setLineDash([]);
  const high = Math.min(...hull.map((point) => point.y));
  const top = hull.filter((point) => point.y < high + 8);
  ctx.fillStyle = theme.word;
  ctx.font = "600 11px system-ui, sans-serif";
  ctx.textAlign = "left";
  ctx.fillText(name, Math.min(...top.map((point) => point.x)), high - 5);
}
