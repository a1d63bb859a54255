/** Room where the books lie: a line above the pages while something is given up so that selling goes on. */

import { get } from "/console/client.js";
import { count } from "/console/format.js";
import { t } from "/console/words.js";

const MIB = 2 ** 20;

export class Disk {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    /** @type {object | null} DiskView */
    this.view = null;
  }

  async read() {
    this.update(await get("/v1/disk"));
  }

  /** Take a `disk` event. */
  update(view) {
    this.view = view;
    this.drawAgain();
  }

  clear() {
    this.view = null;
    this.drawAgain();
  }

  drawAgain() {
    const state = this.view?.state ?? "well";
    this.element.hidden = state === "well";
    this.element.dataset.state = state;
    const words = state === "well" ? "" : t(`disk.${state}`, count(Math.floor(this.view.free_bytes / MIB)));
    if (this.element.textContent !== words) this.element.textContent = words;
  }
}
