/** Live sales, and what came back. While the line is down, those that are in this shop only are marked. */

import { Rows, h } from "/console/dom.js";
import { clock, money } from "/console/format.js";
import { t, wordsFor } from "/console/words.js";

export class Sales {
  /** @param {HTMLElement} list @param {import("/console/receipts.js").Receipts} receipts */
  constructor(list, receipts) {
    this.receipts = receipts;
    this.isLineDown = false;
    this.rows = new Rows(list, (entry) => (entry.return_id ? this.#returned(entry) : sold(entry)));
    receipts.listen((saleId) => this.#redrawReturns(saleId));
  }

  add(sale) {
    this.rows.put(sale.sale_id, { ...sale, isHereOnly: this.isLineDown });
  }

  /** Mark the newest sales: they go to the cloud in their order, so the last `waiting` are those that it does not hold. */
  setWaiting(isLineDown, waiting) {
    this.isLineDown = isLineDown;
    const sales = this.rows.values().filter((entry) => entry.receipt_no).reverse();
    for (const [at, sale] of sales.entries()) {
      const isHereOnly = isLineDown && at < waiting;
      if (sale.isHereOnly !== isHereOnly) this.rows.put(sale.sale_id, { ...sale, isHereOnly });
    }
  }

  /** Take a `return` event; it has no time of its own. */
  addReturn(taken) {
    this.rows.put(`return ${taken.return_id}`, { ...taken, at: Date.now() });
  }

  drawAgain() {
    this.rows.redrawAll();
  }

  clear() {
    this.rows.clear();
  }

  #redrawReturns(saleId) {
    for (const entry of this.rows.values()) {
      if (entry.return_id && entry.sale_id === saleId) this.rows.redraw(`return ${entry.return_id}`);
    }
  }

  #returned(taken) {
    const name = this.receipts.number(taken.sale_id) ?? taken.sale_id.slice(-12);
    return h("li", { "data-return": taken.return_id },
      h("div.top", h("span.code", name, " ", h("span.mark", t("returned"))),
        h("strong.amount.back", money(-taken.refund, taken.currency))),
      h("div.sub", h("time", clock(taken.at)), h("span", taken.till_id)));
  }
}

function sold(sale) {
  const lines = sale.lines === 1 ? t("oneLine") : t("lines", sale.lines);
  return h("li", { "data-sale": sale.sale_id },
    h("div.top", h("span.code", sale.receipt_no), h("strong.amount", money(sale.total, sale.currency))),
    h("div.sub", h("time", { datetime: sale.committed_at }, clock(sale.committed_at)),
      h("span", sale.till_id), h("span", lines), sale.isHereOnly ? h("span.here", t("hereOnly")) : null),
    (sale.warnings ?? []).map((warning) => h("div.warn", warningWords(warning))));
}

/** The hub's detail is for its log; a person needs the product, and the figure where stock fell below zero. */
function warningWords(warning) {
  const detail = warning.code === "stock_below_zero" ? warning.detail : (warning.detail ?? "").split(": ")[0];
  return [wordsFor("warning", warning.code), detail].filter(Boolean).join(" · ");
}
