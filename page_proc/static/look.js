// What a device looks like: its shape and its colour, by what it does now, else by what it can do.

const SHAPES = {
  light: "lamp", flash: "lamp", lamp: "lamp", strobe: "lamp", "color-correction": "lamp",
  wind: "fan", fan: "fan", air: "fan",
  vibration: "seat", tactile: "seat", rumble: "seat", haptic: "seat",
  "rigid-body-motion": "seat", "passive-kinesthetic-motion": "seat", "passive-kinesthetic-force": "seat", "active-kinesthetic": "seat",
  scent: "scent", smell: "scent",
  fog: "fog", smoke: "fog",
  spraying: "spray", water: "spray",
  temperature: "heat", heating: "heat", heat: "heat",
  cooling: "cold", cold: "cold",
};
const COLOURS = {
  dark: {
    lamp: [255, 222, 170], fan: [127, 212, 232], seat: [190, 160, 255], scent: [150, 216, 140], fog: [205, 214, 228],
    spray: [108, 176, 255], heat: [255, 132, 92], cold: [140, 184, 255], level: [242, 196, 96],
  },
  light: {
    lamp: [233, 162, 40], fan: [20, 132, 160], seat: [112, 78, 205], scent: [52, 134, 62], fog: [112, 126, 150],
    spray: [32, 104, 204], heat: [206, 76, 34], cold: [56, 104, 200], level: [164, 112, 8],
  },
};
const SCENTS = new Map();

export function shapeOf(device) {
  const type = (device.on && device.effect_type) || device.effects[0] || device.name;
  if (type === "temperature" && device.on && Number(device.parameters?.temperature) < 15) return "cold";
  return SHAPES[type] ?? "level";
}

// [r, g, b] of what it does
export function colourOf(device, shape, theme) {
  if (shape === "lamp" && device.rgb && device.on) return theme === "light" ? inked(device.rgb) : device.rgb;
  if (shape === "scent" && device.on && typeof device.parameters?.scent === "string") return scent(device.parameters.scent, theme);
  return COLOURS[theme][shape];
}

// On paper a white or a very pale lamp would not show.
function inked(rgb) {
  const bright = 0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2];
  return bright < 190 ? rgb : rgb.map((part) => Math.round(part * 190 / bright * (part > 200 ? 1 : 0.82)));
}

// The same scent has the same colour everywhere: a green to violet by its name.
function scent(name, theme) {
  const key = `${theme}${name.slice(0, 64)}`;
  if (!SCENTS.has(key)) {
    if (SCENTS.size > 200) SCENTS.clear();
    let sum = 7;
    for (const letter of key.slice(theme.length)) sum = (sum * 31 + letter.charCodeAt(0)) % 9973;
    SCENTS.set(key, hsl(75 + (sum % 225), theme === "light" ? 0.5 : 0.55, theme === "light" ? 0.36 : 0.72));
  }
  return SCENTS.get(key);
}

function hsl(h, s, l) {
  const part = (n) => {
    const k = (n + h / 30) % 12;
    return Math.round(255 * (l - s * Math.min(l, 1 - l) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}

export const css = ([r, g, b], alpha = 1) => `rgba(${r | 0},${g | 0},${b | 0},${alpha.toFixed(3)})`;
