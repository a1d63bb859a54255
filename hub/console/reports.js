/** The sums of an X or Z report as people read them. Pure: from figures of the hub to elements. */

import { h } from "/console/dom.js";
import { count, money } from "/console/format.js";
import { facts, figuresTable } from "/console/view.js";
import { t, wordsFor } from "/console/words.js";

/** Return sums, tenders, and what somebody should look at. @param {object} figures @param {string} currency */
export function report(figures, currency) {
  const amount = (value) => money(value ?? 0, currency);
  const some = (value) => (value ? amount(value) : "");
  const counted = (n, value) => (n ? `${count(n)} · ${amount(value)}` : "");
  return h("div.report",
    facts([
      [t("zSales"), `${count(figures.sales)} · ${amount(figures.total)}`],
      [t("zDiscounts"), some(-(figures.discounts ?? 0))],
      [t("zRounding"), some(figures.rounding)],
      [t("zReturns"), counted(figures.returns, figures.refunds)],
      [t("zVoids"), counted(figures.voids, figures.voided)],
      [t("zOffline"), figures.offline ? count(figures.offline) : ""],
      [t("zUnstated"), some(figures.unstated)],
      ...(figures.tax ?? []).map(([rate_bp, tax]) => [t("zTax", rate_bp / 100), amount(tax)]),
      ...(figures.movements ?? []).map(([what, n, value]) => [wordsFor("moved", what), counted(n, value)]),
    ]),
    figures.tenders?.length ? figuresTable(t("zTenders"), [t("zTender"), t("zTaken"), t("zPaidBack")],
      figures.tenders.map(([type, n, taken, back]) =>
        [`${wordsFor("tender", type)} × ${count(n)}`, amount(taken), back ? amount(back) : "—"])) : null,
    warnings(figures));
}

function warnings(figures) {
  const { missing = [], late = [], suspended = [] } = figures;
  return [
    missing.length ? h("p.warn", t("zMissing", missing.join(", "))) : null,
    late.length ? h("p.warn", t("zLate", late.map(([, receipt_no]) => receipt_no).join(", "))) : null,
    suspended.length ? h("p.warn", t("zSuspended", count(suspended.length))) : null,
  ];
}
