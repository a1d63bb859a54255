/** The figures on top: sales, turnover, scans since this page opened, and how many devices are ready. */

import { h } from "/console/dom.js";
import { clock, count, money } from "/console/format.js";
import { t } from "/console/words.js";

export class Figures {
  constructor(list) {
    this.list = list;
    this.since = Date.now();
    this.hasGap = false;
    this.sales = 0;
    this.scans = 0;
    this.refused = 0;
    /** @type {Map<string, number>} currency -> minor units */
    this.totals = new Map();
    this.ready = 0;
    this.devices = 0;
  }

  addSale(sale) {
    this.sales += 1;
    this.totals.set(sale.currency, (this.totals.get(sale.currency) ?? 0) + sale.total);
    this.drawAgain();
  }

  addScan(scan) {
    this.scans += 1;
    if (scan.error) this.refused += 1;
    this.drawAgain();
  }

  /** Show a zero in the shop's currency before the first sale. */
  setCurrency(currency) {
    if (!this.totals.has(currency)) this.totals.set(currency, 0);
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
    const totals = [...this.totals];
    const averages = totals.filter(([, total]) => total > 0);
    const average = averages.length === 1 ? money(Math.round(averages[0][1] / this.sales), averages[0][0]) : null;
    const bad = this.devices - this.ready;
    this.list.replaceChildren(
      figure("figureSales", [count(this.sales)], since),
      figure("figureTotal", totals.map(([currency, total]) => money(total, currency)),
        average ? t("average", average) : t("noSales")),
      figure("figureScans", [count(this.scans)], this.refused ? t("refused", this.refused) : t("noneRefused")),
      figure("figureDevices", [t("deviceShare", this.ready, this.devices)],
        bad ? t("devicesBad", bad) : t("devicesGood"), bad > 0),
    );
  }
}

function figure(word, values, hint, isBad = false) {
  return h("div.figure", { "data-figure": word }, h("dt", t(word)),
    values.map((value) => h("dd", value)), h(isBad ? "dd.hint.bad" : "dd.hint", hint));
}
