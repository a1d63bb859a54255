/** The figures on top: turnover and sales since this page opened, today's visitors, and how many devices are ready. */

import { h } from "/console/dom.js";
import { clock, count, money } from "/console/format.js";
import { t } from "/console/words.js";

export class Figures {
  constructor(list) {
    this.list = list;
    this.since = Date.now();
    this.hasGap = false;
    this.sales = 0;
    /** @type {Map<string, {sold: number, refunded: number}>} by currency, minor units */
    this.totals = new Map();
    this.visitors = null;
    this.ready = 0;
    this.devices = 0;
  }

  addSale(sale) {
    this.sales += 1;
    this.#total(sale.currency).sold += sale.total;
    this.drawAgain();
  }

  addReturn(taken) {
    this.#total(taken.currency).refunded += taken.refund;
    this.drawAgain();
  }

  /** Show a zero in the shop's currency before the first sale. */
  setCurrency(currency) {
    this.#total(currency);
  }

  /** @param {{in: number, out: number} | null} day  null: nobody counts */
  setVisitors(day) {
    this.visitors = day;
    this.drawAgain();
  }

  setDevices(ready, all) {
    this.ready = ready;
    this.devices = all;
    this.drawAgain();
  }

  /** Events were missed: the figures are at least this much. */
  markGap() {
    this.hasGap = true;
  }

  drawAgain() {
    const since = t(this.hasGap ? "figureGap" : "since", clock(this.since).slice(0, 5));
    const { visitors } = this;
    const bad = this.devices - this.ready;
    this.list.replaceChildren(
      figure("figureTotal", [...this.totals].map(([currency, { sold, refunded }]) => money(sold - refunded, currency)),
        this.#turnoverHint()),
      figure("figureSales", [count(this.sales)], since),
      figure("figureVisitors", [visitors ? count(visitors.in) : "—"],
        visitors ? t("visitorsLeft", count(visitors.out)) : t("noCounters")),
      figure("figureDevices", [t("deviceShare", this.ready, this.devices)],
        bad ? t("devicesBad", bad) : t("devicesGood"), bad > 0),
    );
  }

  #turnoverHint() {
    const refunds = [...this.totals].filter(([, { refunded }]) => refunded > 0);
    if (refunds.length > 0) return t("refunded", refunds.map(([currency, { refunded }]) => money(refunded, currency)).join(" + "));
    const sold = [...this.totals].filter(([, { sold }]) => sold > 0);
    if (sold.length !== 1) return this.sales ? "" : t("noSales");
    return t("average", money(Math.round(sold[0][1].sold / this.sales), sold[0][0]));
  }

  #total(currency) {
    if (!this.totals.has(currency)) this.totals.set(currency, { sold: 0, refunded: 0 });
    return this.totals.get(currency);
  }
}

function figure(word, values, hint, isBad = false) {
  return h("div.figure", { "data-figure": word }, h("dt", t(word)),
    values.map((value) => h("dd", value)), h(isBad ? "dd.hint.bad" : "dd.hint", hint || "\u00a0"));
}
