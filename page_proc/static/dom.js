// Elements: found, made and changed. Text stays text: nothing here ever becomes markup.

import { words } from "./words.js";

export const $ = (id) => document.getElementById(id);

// el("button", {class: "quiet", onclick: f}, "text", node, null)
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Each of these writes only what differs: a write that changes nothing still costs the browser a layout.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

// How far a slider is coloured.
export function setShare(slider) {
  const share = `${((100 * (slider.value - slider.min)) / Math.max(slider.max - slider.min, 1)).toFixed(1)}%`;
  if (slider.style.getPropertyValue("--share") !== share) slider.style.setProperty("--share", share);
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

// Keeps the children of `parent` as the keys say: `make(key)` for a new one, `update(node, value)` for each, in that order.
export function keyed(parent, entries, make, update) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let at = parent.firstElementChild;
  for (const [key, value] of entries) {
    let node = old.get(String(key));
    if (node) old.delete(String(key));
    else {
      node = make(key, value);
      node.dataset.key = key;
    }
    update(node, value);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of old.values()) node.remove();
}

// Writes the words into the markup: data-word = the text, data-label = the name that a screen reader says.
export function fillWords(root = document) {
  for (const node of root.querySelectorAll("[data-word]")) setText(node, words[node.dataset.word]);
  for (const node of root.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", words.labels[node.dataset.label]);
    if (node.matches("p, div:not([role])")) node.setAttribute("role", node.matches("p") ? "group" : "region");
  }
}
