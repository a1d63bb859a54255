/** Second contents of a known sale: both beside each other, and the manager's two answers, book or discard. */

import { get, post } from "/console/client.js";
import { h } from "/console/dom.js";
import { clock, count, money } from "/console/format.js";
import { figuresTable } from "/console/view.js";
import { named, t, wordsFor } from "/console/words.js";

export class Seconds {
  /** @param {import("/console/products.js").Catalogue} catalogue @param {import("/console/people.js").People} people */
  constructor(catalogue, people) {
    this.catalogue = catalogue;
    this.people = people;
    /** @type {Map<string, {sale: object, stands: object | null, new_id: string}>} by suspended_id */
    this.known = new Map();
  }

  /** Read what waits, and what stands under the same ids. */
  async read() {
    const { items } = await get("/v1/suspended");
    const found = await Promise.all(items.map(async ({ suspended_id, sale }) => {
      const stands = await get(`/v1/sales/${encodeURIComponent(sale.sale_id)}`).catch(() => null);
      const new_id = this.known.get(suspended_id)?.new_id ?? crypto.randomUUID(); // pressed again it is the same sale
      return [suspended_id, { sale, stands: stands?.fact.sale ?? null, new_id }];
    }));
    this.known = new Map(found);
    const lines = found.flatMap(([, { sale, stands }]) => [...sale.lines, ...(stands?.lines ?? [])]);
    await Promise.all([...new Set(lines.map(({ sku }) => sku))].map((sku) => this.catalogue.item(sku)));
  }

  /** Return both contents as a table; null for what is not known. @param {{key: string}} line */
  compared(line) {
    const found = this.known.get(idOf(line));
    if (!found) return null;
    const { sale, stands } = found;
    const row = (word, of) => [t(word), stands ? of(stands) : "—", of(sale)];
    const table = figuresTable(t("secondTitle"), ["", t("secondStands"), t("secondWaits")], [
      row("secondTill", ({ till_id }) => this.people.till(till_id)),
      row("secondSold", ({ sold_at }) => (sold_at ? clock(sold_at) : "—")),
      row("goods", ({ lines }) => lines.map((each) => this.#line(each)).join(", ")),
      row("zTenders", ({ tenders }) => tenders.map(({ type }) => wordsFor("tender", type)).join(", ")),
      row("secondTotal", ({ total, currency }) => money(total, currency)),
    ]);
    table.classList.add("compared");
    return table;
  }

  /** Book the content of a line as a sale of its own. */
  book(line) {
    return post(`/v1/suspended/${encodeURIComponent(idOf(line))}/book`, { sale_id: this.known.get(idOf(line)).new_id });
  }

  /** Book nothing of it. */
  discard(line, reason) {
    return post(`/v1/suspended/${encodeURIComponent(idOf(line))}/discard`, { reason });
  }

  #line({ sku, qty, unit }) {
    const goods = named(this.catalogue.known(sku)?.name) || sku;
    return unit === "g" ? `${goods} ${t("weight", count(qty))}` : `${count(qty)} × ${goods}`;
  }
}

/** A line's key is the sale's id and the content's. */
function idOf({ key }) {
  return key.slice(key.lastIndexOf(" ") + 1);
}
