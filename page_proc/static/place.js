// Where each device stands in the picture: pure arithmetic. Placed ones at their place, the others in rows between them, none over another.

const LABEL = 42; // px below the figure
const GAP = 6;
const LARGEST = 196;
const SMALLEST = 24;
const WIDEST = 130; // of a name
const MOBILITY = [0.3, 0.6, 1]; // by how many of X and Z are free

// devices: [{name, place: [x, y, z], zones}] -> {size, wide, spots: Map name -> {x, y}}: the middle of each figure, and what
// is free for its name, in px. Loosely where there is room; in a crowd on a lattice, if that lets them be larger.
export function arrange(devices, width, height) {
  const crowd = lattice(devices.length, width, height);
  const most = Math.sqrt((0.74 * width * height) / Math.max(devices.length, 1));
  for (let size = Math.min(LARGEST, most, width * 0.4); size >= loosely(crowd.size); size *= 0.94) {
    const cell = { w: size + GAP, h: size + LABEL + GAP };
    const items = anchors(devices, width, height, cell);
    relax(items, width, height, cell);
    if (!overlaps(items, cell)) return placed(items, size, size);
  }
  const items = anchors(devices, width, height, { w: crowd.w, h: crowd.h });
  settle(items, crowd);
  return placed(items, crowd.size, Math.min(crowd.w - GAP, Math.max(crowd.size, WIDEST)));
}

// How small they may be to stand at their place, and not in columns: as long as they are seen well, a good deal smaller.
const loosely = (size) => Math.min(0.8 * size, Math.max(84, 0.6 * size));

// The figure stands above its label.
const placed = (items, size, wide) => ({ size, wide, spots: new Map(items.map((item) => [item.name, { x: item.x, y: item.y - LABEL / 2 }])) });

// How high the room has to be so that `count` devices can be read at this width.
export function heightFor(count, width) {
  const columns = Math.max(1, Math.floor(width / 72));
  return Math.ceil(count / columns) * (48 + LABEL + GAP) + 90;
}

// The columns and rows in which `count` can be largest: {size, w, h, slots}
function lattice(count, width, height) {
  let best = { size: 0 };
  for (let columns = 1; columns <= Math.max(count, 1); columns++) {
    const rows = Math.ceil(count / columns) || 1;
    const w = width / columns, h = height / rows;
    const size = Math.max(SMALLEST, Math.min(LARGEST, w - GAP, h - LABEL - GAP));
    if (size > best.size) best = { size, w, h, columns, rows };
  }
  const { w, h, columns, rows } = best;
  const slots = Array.from({ length: columns * rows }, (_, n) => ({ x: ((n % columns) + 0.5) * w, y: (Math.floor(n / columns) + 0.5) * h }));
  return { ...best, slots };
}

// Gives each its slot: the nearest first for those whose place is known, then pairs change while that brings both nearer.
function settle(items, { slots, h, w }) {
  const free = new Set(slots.keys());
  const far = (item, slot) => item.weight * (((item.ax - slots[slot].x) / w) ** 2 + ((item.ay - slots[slot].y) / h) ** 2);
  for (const item of items) item.weight = 1.2 - item.m;
  for (const item of [...items].sort((a, b) => a.m - b.m)) {
    item.slot = [...free].reduce((best, slot) => (far(item, slot) < far(item, best) ? slot : best));
    free.delete(item.slot);
  }
  for (let pass = 0; pass < 12; pass++) {
    for (const a of items) {
      for (const slot of free) {
        if (far(a, slot) < far(a, a.slot)) {
          free.delete(slot);
          free.add(a.slot);
          a.slot = slot;
        }
      }
      for (const b of items) {
        if (far(a, b.slot) + far(b, a.slot) < far(a, a.slot) + far(b, b.slot) - 1e-9) [a.slot, b.slot] = [b.slot, a.slot];
      }
    }
  }
  for (const item of items) ({ x: item.x, y: item.y } = slots[item.slot]);
}

function anchors(devices, width, height, cell) {
  const groups = new Map();
  for (const device of devices) {
    const [x, , z] = device.place;
    const key = `${x},${z}`;
    if (!groups.has(key)) groups.set(key, { x, z, members: [] });
    groups.get(key).members.push(device);
  }
  const items = [];
  for (const { x, z, members } of groups.values()) {
    members.sort((a, b) => (a.zones[0] ?? "~").localeCompare(b.zones[0] ?? "~"));
    const box = { w: x === null ? width : width / 5, h: z === null ? height : height / 3 };
    const middle = {
      x: x === null ? width / 2 : (width * (x + 0.5)) / 5,
      y: z === null ? height / 2 : (height * (2.5 - z)) / 3,
    };
    const rows = rowsOf(members.length, box, cell, x === null && z === null);
    const step = { x: Math.min(box.w / Math.max(...rows), cell.w * 1.75), y: Math.min(box.h / rows.length, cell.h * 1.4) };
    let at = 0;
    rows.forEach((count, row) => {
      for (let column = 0; column < count; column++) {
        const device = members[at++];
        const ax = middle.x + (column - (count - 1) / 2) * step.x;
        const bend = ((ax - width / 2) / width) ** 2 * height * 0.16; // as the rows of a theatre
        const ay = middle.y + (row - (rows.length - 1) / 2) * step.y - (z === null ? bend * 0.6 : bend * 0.2);
        items.push({ name: device.name, ax, ay, x: ax, y: ay, m: MOBILITY[(x === null) + (z === null)] });
      }
    });
  }
  return items;
}

// How many stand in each row: as even as can be.
function rowsOf(count, box, cell, free) {
  const fits = Math.max(1, Math.floor(box.w / cell.w));
  const shape = (box.w / cell.w) / (box.h / cell.h);
  let columns = Math.round(Math.sqrt(count * shape * (free ? 1.15 : 1)));
  if (free && count <= 5 && count * 1.3 <= fits) columns = count;
  columns = Math.min(Math.max(columns, 1), fits, count);
  const rows = Math.ceil(count / columns);
  return Array.from({ length: rows }, (_, row) => Math.floor(((row + 1) * count) / rows) - Math.floor((row * count) / rows));
}

function relax(items, width, height, cell) {
  for (let round = 0; round < 160; round++) {
    if (round < 110) {
      for (const item of items) {
        item.x += (item.ax - item.x) * 0.06;
        item.y += (item.ay - item.y) * 0.06;
      }
    }
    for (let i = 0; i < items.length; i++) for (let j = i + 1; j < items.length; j++) part(items[i], items[j], cell);
    for (const item of items) {
      item.x = Math.min(Math.max(item.x, cell.w / 2), width - cell.w / 2);
      item.y = Math.min(Math.max(item.y, cell.h / 2), height - cell.h / 2);
    }
  }
}

function part(a, b, cell) {
  const dx = b.x - a.x, dy = b.y - a.y;
  const px = cell.w - Math.abs(dx), py = cell.h - Math.abs(dy);
  if (px <= 0 || py <= 0) return;
  const share = a.m / (a.m + b.m);
  if (px / cell.w <= py / cell.h) {
    const push = (px + 0.2) * (dx < 0 ? -1 : 1);
    a.x -= push * share;
    b.x += push * (1 - share);
  } else {
    const push = (py + 0.2) * (dy < 0 ? -1 : 1);
    a.y -= push * share;
    b.y += push * (1 - share);
  }
}

function overlaps(items, cell) {
  const w = cell.w - GAP + 1, h = cell.h - GAP + 1;
  return items.some((a, i) => items.slice(i + 1).some((b) => Math.abs(a.x - b.x) < w && Math.abs(a.y - b.y) < h));
}

// The outline around the members of a zone, unless somebody else stands within: [{x, y}], or null.
export function outline(members, others, reach) {
  if (members.length < 2) return null;
  const points = members.flatMap(({ x, y }) =>
    Array.from({ length: 12 }, (_, n) => ({ x: x + reach * Math.cos(n * Math.PI / 6), y: y + reach * Math.sin(n * Math.PI / 6) })));
  const hull = hullOf(points);
  return others.some((other) => inside(other, hull)) ? null : hull;
}

function hullOf(points) {
  points.sort((a, b) => a.x - b.x || a.y - b.y);
  const turn = (o, a, b) => (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x);
  const half = (some) => {
    const chain = [];
    for (const point of some) {
      while (chain.length > 1 && turn(chain.at(-2), chain.at(-1), point) <= 0) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return [...half(points), ...half([...points].reverse())];
}

function inside(point, hull) {
  return hull.every((a, i) => {
    const b = hull[(i + 1) % hull.length];
    return (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x) >= 0;
  });
}
