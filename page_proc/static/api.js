// Orders to the page program. Each answers {status, body}: status 0 = no answer; it never throws.

import { words } from "./words.js";

const LIMIT_MS = 20_000; // an effect is answered within 5 s, and a large timeline takes a while to be read

export async function post(path, body, type = "application/json", limit = LIMIT_MS) {
  const began = performance.now();
  const asked = { method: "POST", cache: "no-store", signal: AbortSignal.timeout(limit) };
  if (body !== undefined) {
    asked.headers = { "Content-Type": type };
    asked.body = type === "application/json" && typeof body !== "string" ? JSON.stringify(body) : body;
  }
  let answer, text;
  try {
    answer = await fetch(path, asked);
    text = await answer.text();
  } catch {
    return { status: 0, body: { reason: words.no_answer }, ms: performance.now() - began };
  }
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    said = { reason: text || words.asked_wrong(answer.status) };
  }
  if (answer.status === 401 && path !== "/login") location.assign("/login");
  return { status: answer.status, body: said, ms: performance.now() - began };
}

export async function text(path) {
  try {
    const answer = await fetch(path, { cache: "no-store" });
    return { status: answer.status, text: await answer.text() };
  } catch {
    return { status: 0, text: words.no_answer };
  }
}
