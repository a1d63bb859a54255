/** Live sales. */

import { Rows, h } from "/console/dom.js";
import { clock, money } from "/console/format.js";
import { t, wordsFor } from "/console/words.js";

export class Sales {
  constructor(list) {
    this.rows = new Rows(list, row);
  }

  add(sale) {
    this.rows.put(sale.sale_id, sale);
  }

  drawAgain() {
    this.rows.redrawAll();
  }

  clear() {
    this.rows.clear();
  }
}

function row(sale) {
  const lines = sale.lines === 1 ? t("oneLine") : t("lines", sale.lines);
  return h("li", { "data-sale": sale.sale_id },
    h("div.top", h("span.code", sale.receipt_no), h("strong.amount", money(sale.total, sale.currency))),
    h("div.sub", h("time", { datetime: sale.committed_at }, clock(sale.committed_at)),
      h("span", sale.till_id), h("span", lines)),
    (sale.warnings ?? []).map((warning) => h("div.warn", warningWords(warning))));
}

/** The hub's detail is for its log; a person needs the product, and the figure where stock fell below zero. */
function warningWords(warning) {
  const detail = warning.code === "stock_below_zero" ? warning.detail : (warning.detail ?? "").split(": ")[0];
  return [wordsFor("warning", warning.code), detail].filter(Boolean).join(" · ");
}
