/** Labels for the shelf: SKUs that somebody types or scans, at the prices of now, to a printer of the shop's. */

import { get, post } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { count } from "/console/format.js";
import { remedyOf } from "/console/view.js";
import { t } from "/console/words.js";

const PRINTERS = ["LabelPrinter", "POSPrinter"]; // label printers first: a receipt printer prints labels as well
const COPIES_MAX = 99;
const LINE = /^(\S+)(?:\s+[x×*]?\s*(\d{1,2}))?$/i;
const UNSURE = 500; // from this status on nobody knows whether it was queued

export class Labels {
  constructor() {
    this.jobId = crypto.randomUUID();
    /** @type {object[]} devices that print */
    this.printers = [];
    /** @type {() => HTMLElement | null} what came of it, in the language of the moment */
    this.answer = () => null;
    byId("labels-form").onsubmit = (submit) => this.#print(submit);
  }

  async read() {
    const { items } = await get("/v1/devices");
    this.printers = PRINTERS.flatMap((category) => items.filter((device) => device.category === category));
  }

  clear() {
    this.printers = [];
    this.answer = () => null;
    byId("labels-form").reset();
  }

  /** @returns {HTMLElement[]} what stands below the form */
  drawAgain() {
    const select = byId("labels-printer");
    const chosen = select.value;
    select.replaceChildren(...this.printers.map(({ device_id, health }) =>
      h("option", { value: device_id, ...(device_id === chosen ? { selected: "" } : {}) },
        health === "ready" ? device_id : t("labelsAway", device_id))));
    byId("labels-form").hidden = !this.printers.length;
    return [this.printers.length ? this.answer() : h("p.empty", t("labelsNoPrinter"))].filter((part) => part !== null);
  }

  async #print(submit) {
    submit.preventDefault();
    const form = submit.target;
    const lines = form.elements.skus.value.split("\n").map((line) => line.trim()).filter(Boolean);
    const wrong = lines.find((line) => !(LINE.test(line) && copiesOf(line) >= 1 && copiesOf(line) <= COPIES_MAX));
    if (!lines.length || wrong !== undefined) {
      this.#say(() => h("p.warn", t("labelsWrong", wrong ?? "")));
      form.elements.skus.focus();
      return;
    }
    const labels = lines.map((line) => ({ sku: LINE.exec(line)[1], copies: copiesOf(line) }));
    const printer = form.elements.printer.value;
    const sheets = labels.reduce((sum, { copies }) => sum + copies, 0);
    try {
      await post("/v1/labels", { job_id: `l:${this.jobId}`, printer_id: printer, labels });
    } catch (error) {
      if (error.status && error.status < UNSURE) this.jobId = crypto.randomUUID();
      this.#say(() => h("p.warn", refusal(error, labels)));
      return;
    }
    this.jobId = crypto.randomUUID();
    form.elements.skus.value = "";
    this.#say(() => h("p.hint", t("labelsQueued", count(sheets), printer)));
  }

  #say(answer) {
    this.answer = answer;
    byId("labels-said").replaceChildren(...this.drawAgain());
  }
}

/** Name the product that the hub refuses; anything else is said as everywhere. */
function refusal(error, labels) {
  const [, place] = /^\/labels\/(\d+)\/sku$/.exec(error.problem?.pointer ?? "") ?? [];
  return place === undefined ? remedyOf(error) : t("labelsUnknown", labels[place].sku);
}

function copiesOf(line) {
  return Number(LINE.exec(line)?.[2] ?? 1);
}
