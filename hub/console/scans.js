/** Live scans of all scanners, and whose they were. */

import { Rows, h } from "/console/dom.js";
import { clock, money } from "/console/format.js";
import { named, t, wordsFor } from "/console/words.js";

export class Scans {
  /** @param {HTMLElement} list @param {import("/console/products.js").Catalogue} catalogue */
  constructor(list, catalogue) {
    this.catalogue = catalogue;
    this.rows = new Rows(list, (scan) => row(scan, catalogue.known(scan.sku)));
    this.n = 0;
  }

  /** Show a scan at once and its product's name when it is known. */
  async add(device, scan) {
    const key = `${++this.n}`;
    this.rows.put(key, { ...scan, device, at: Date.now() });
    if (scan.sku && (await this.catalogue.item(scan.sku))) this.rows.redraw(key);
  }

  drawAgain() {
    this.rows.redrawAll();
  }

  clear() {
    this.rows.clear();
  }
}

function row(scan, item) {
  const name = scan.error ? wordsFor("scan", scan.error) : scan.sku ? named(item?.name) || scan.sku : t("unknownLabel");
  const price = item?.price && !scan.error ? money(item.price.amount, item.price.currency) : "";
  const measure = scan.measure?.kind === "weight_g" ? t("weight", scan.measure.value) : "";
  const code = scan.gtin && scan.gtin.replace(/^0+/, "") !== scan.label ? scan.gtin : "";
  return h(scan.error ? "li.refused" : "li", { "data-label": scan.label },
    h("div.top", h("span.name", name), h("span.amount", measure || price)),
    h("div.sub", h("time", clock(scan.at)), h("span", scan.device ?? ""), h("span.code", scan.label || "—"),
      code && h("span.code", `GTIN ${code}`), scan.sku && h("span.code", scan.sku),
      scan.claimed_by && h("span", t("claimedBy", scan.claimed_by)), scan.replayed && h("span", t("replayed"))));
}
