// What the room does now, live: as text until it is drawn.
const room = document.getElementById("room");
const devices = {};
const live = new EventSource("/api/live");
const take = (event) => {
  for (const [name, now] of Object.entries(JSON.parse(event.data).devices)) devices[name] = { ...devices[name], ...now };
  room.replaceChildren(...Object.entries(devices).map(([name, device]) => {
    const line = document.createElement("p");
    line.textContent = `${name}: ${device.on ? `${device.effect_type} ${device.intensity} %` : "off"}`;
    return line;
  }));
};
live.addEventListener("room", take);
live.addEventListener("devices", take);
