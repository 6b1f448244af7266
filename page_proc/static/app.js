// Starts the page: the stream feeds the model, the model's news go to the stage at once and to the panels ten times a second.

import { $, fillWords } from "./dom.js";
import { Announcer } from "./announce.js";
import { DevicePanel } from "./device_panel.js";
import { EffectsPanel } from "./effects_panel.js";
import { Emergency } from "./emergency.js";
import { Feed } from "./feed.js";
import { Holds } from "./holds.js";
import { Meter } from "./meter.js";
import { Model } from "./model.js";
import { ProgramsPanel } from "./programs_panel.js";
import { Stage } from "./stage.js";
import { Tabs } from "./tabs.js";
import { startTheme } from "./theme.js";
import { TimelinesPanel } from "./timelines_panel.js";
import { Top } from "./top.js";

const PANELS_MS = 100;

fillWords();
const model = new Model();
const meter = new Meter();
const announcer = new Announcer(model);
const tabs = new Tabs(() => refresh());
const emergency = new Emergency(model);
const device = new DevicePanel(model, (name) => emergency.stopOne(name));
const stage = new Stage(model, meter, (name) => {
  device.choose(name);
  tabs.open("device");
});
const feed = new Feed("/api/live", take, () => {
  top.connection();
  stage.freeze(!feed.alive);
  announcer.connection(feed.alive);
});
const top = new Top(model, feed);
const holds = new Holds(model, emergency);
const panels = { device, timelines: new TimelinesPanel(model), effects: new EffectsPanel(model), programs: new ProgramsPanel(model) };
startTheme(() => model.known && stage.resize());

let pending = new Set();
let timer = null;

function take(kind, data) {
  model.take(kind, data);
  const news = model.news();
  for (const each of news.changed) pending.add(each);
  if (news.moved.size || kind === "room" || kind === "holds" || kind === "broker") {
    meter.heard();
    stage.changed(kind === "holds" || kind === "broker" ? model.devices.keys() : news.moved, kind === "room");
  }
  if (kind === "stopped") emergency.seen(data);
  timer ??= setTimeout(refresh, PANELS_MS);
}

// Everything but the picture. What is not shown is not written.
function refresh() {
  clearTimeout(timer);
  timer = null;
  const news = pending;
  pending = new Set();
  document.body.classList.toggle("starting", !model.known);
  if (!model.known) return;
  if (news.has("room")) {
    tabs.first(device.first());
    $("logout").hidden = !model.me.login;
  }
  top.update();
  holds.update();
  tabs.update(model);
  announcer.update(news);
  panels.timelines.cues();
  panels[tabs.shown].update(news);
  if (panels[tabs.shown].ticks?.()) timer ??= setTimeout(refresh, PANELS_MS);
}

globalThis.room = { model, meter, feed, stage }; // for tests, and for the curious
feed.open();
