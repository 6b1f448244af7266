// A name in the width that there is: its middle is left out, because `vibration-17` and `vibration-18` differ at the end.

const pen = document.createElement("canvas").getContext("2d");
const known = new Map();

export function fitted(name, width, small) {
  const size = small ? 11.5 : 13.5;
  pen.font = `620 ${size}px ${getComputedStyle(document.body).fontFamily}`;
  const key = `${name} ${Math.round(width)} ${pen.font}`;
  if (!known.has(key)) {
    if (known.size > 1000) known.clear();
    known.set(key, shorten(name, width));
  }
  return known.get(key);
}

function shorten(name, width) {
  const fits = (text) => pen.measureText(text).width <= width;
  if (fits(name)) return name;
  for (let letters = name.length - 1; letters > 2; letters--) {
    const tail = Math.min(3, letters - 1);
    const head = letters - tail < 2 ? 0 : letters - tail;
    const text = `${name.slice(0, head)}…${name.slice(head ? -tail : -letters)}`;
    if (fits(text)) return text;
  }
  return `…${name.slice(-2)}`;
}
