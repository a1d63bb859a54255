/** Live scans of all scanners, and whose they were. A row keeps the name and price of its moment. */

import { Rows, byId, h } from "/console/dom.js";
import { clock, count, money } from "/console/format.js";
import { named, t, wordsFor } from "/console/words.js";

export class Scans {
  /** @param {HTMLElement} list @param {import("/console/products.js").Catalogue} catalogue */
  constructor(list, catalogue) {
    this.catalogue = catalogue;
    this.rows = new Rows(list, row);
    this.n = 0;
    this.refused = 0;
  }

  /** Show a scan at once and its product's name when it is known. */
  async add(device, scan) {
    const key = `${++this.n}`;
    if (scan.error) this.refused += 1;
    this.#tell();
    const shown = { ...scan, device, at: Date.now(), item: this.catalogue.known(scan.sku) };
    this.rows.put(key, shown);
    if (!scan.sku || shown.item) return;
    const item = await this.catalogue.item(scan.sku);
    if (item && this.rows.get(key)) this.rows.put(key, { ...shown, item });
  }

  drawAgain() {
    this.rows.redrawAll();
    this.#tell();
  }

  clear() {
    this.rows.clear();
  }

  #tell() {
    byId("scans-count").textContent = [count(this.n), this.refused && t("refused", count(this.refused))].filter(Boolean).join(" · ");
  }
}

function row(scan) {
  const { item } = scan;
  const known = scan.sku ? named(item?.name) || scan.sku : wordsFor("kind", scan.kind ?? "text");
  const name = scan.error ? wordsFor("scan", scan.error) : known;
  const price = item?.price && !scan.error ? money(item.price.amount, item.price.currency) : "";
  const measure = scan.measure?.kind === "weight_g" ? t("weight", scan.measure.value) : "";
  const code = scan.gtin && scan.gtin.replace(/^0+/, "") !== scan.label ? scan.gtin : "";
  return h(scan.error ? "li.refused" : "li", { "data-label": scan.label },
    h("div.top", h("span.name", name), h("span.amount", measure || price)),
    h("div.sub", h("time", clock(scan.at)), h("span", scan.device ?? ""), h("span.code", scan.label || "—"),
      code && h("span.code", `GTIN ${code}`), scan.sku && h("span.code", scan.sku),
      scan.claimed_by && h("span", t("claimedBy", scan.claimed_by)), scan.replayed && h("span", t("replayed"))));
}
