/** Devices: health as it changes, counters and claims every few seconds (the hub sends no event for them). */

import { get } from "/console/client.js";
import { Rows, h } from "/console/dom.js";
import { count } from "/console/format.js";
import { Reread } from "/console/pace.js";
import { t, wordsFor } from "/console/words.js";

const READ_EVERY_MS = 5_000;
const TONE = { ready: "good", degraded: "wait", offline: "bad" };

export class Devices {
  /** @param {HTMLElement} list @param {(devices: object[]) => void} onRead  all devices, at each change */
  constructor(list, onRead) {
    this.onRead = onRead;
    this.rows = new Rows(list, row, 200);
    this.reread = new Reread(() => this.read(), { everyMs: READ_EVERY_MS, atMostEveryMs: READ_EVERY_MS });
  }

  async read() {
    const { items } = await get("/v1/devices");
    if (items.length !== this.rows.values().length) this.rows.clear();
    for (const device of items.reverse()) this.#put(device);
    this.#tell();
  }

  /** Take a `device` event. */
  update(deviceId, health) {
    const shown = this.rows.get(deviceId);
    if (shown) this.#put({ ...shown, ...health });
    this.#tell();
  }

  watch() {
    this.reread.start();
  }

  stop() {
    this.reread.stop();
  }

  drawAgain() {
    this.rows.redrawAll();
  }

  clear() {
    this.rows.clear();
  }

  #put(device) {
    if (JSON.stringify(this.rows.get(device.device_id)) !== JSON.stringify(device)) {
      this.rows.put(device.device_id, device);
    }
  }

  #tell() {
    this.onRead(this.rows.values());
  }
}

function row(device) {
  const counters = Object.entries(device.counters).map(([name, n]) => `${count(n)} ${wordsFor("counter", name)}`);
  const reason = device.reason && wordsFor("reason", device.reason);
  return h("li", { "data-device": device.device_id, "data-health": device.health },
    h("div.top", h("span.name", device.device_id), h(`span.badge.${TONE[device.health]}`, wordsFor("health", device.health))),
    h("div.sub", h("span", wordsFor("category", device.category)), h("span.code", device.kind),
      counters.map((counter) => h("span", counter)),
      device.claimed_by && h("span", t("claimedBy", device.claimed_by))),
    reason && h(device.health === "ready" ? "div.sub" : "div.warn", [reason, device.detail].filter(Boolean).join(" · ")));
}
