/** The tills' day: the trading day, drawers that are open (X), Z reports, who must approve of what. The trail: trail.js. */

import { get, post } from "/console/client.js";
import { h } from "/console/dom.js";
import { count, moment, money } from "/console/format.js";
import { report } from "/console/reports.js";
import { View, facts, remedyOf, rowsOf } from "/console/view.js";
import { t, wordsFor } from "/console/words.js";

const Z_SHOWN = 20;

export class Day extends View {
  /** @param {import("/console/people.js").People} people @param {import("/console/trail.js").Trail} trail */
  constructor(people, trail) {
    super("day");
    this.people = people;
    this.trail = trail;
    /** @type {object | null} */
    this.found = null;
  }

  async read() {
    const [days, sessions, reports, approvals] = await Promise.all([
      get("/v1/days"), get("/v1/drawer-sessions"), get(`/v1/z-reports?limit=${Z_SHOWN}`), get("/v1/approvals"),
      this.people.read(), this.trail.read(),
    ]);
    const open = await Promise.all(sessions.items.map(async (session) => ({ session, x: await xReport(session) })));
    this.found = { days, open, reports: reports.items, approvals };
  }

  clear() {
    this.found = null;
    this.trail.clear();
  }

  drawAgain() {
    if (this.found === null) return;
    const { days, open, reports, approvals } = this.found;
    this.fill("day-facts", facts([
      [t("dayOpen"), days.business_date],
      [t("dayClosed"), days.closed_through || t("dayNone")],
      [t("dayDrawers"), count(open.length)],
    ]));
    this.fill("day-drawers", open.length ? open.map((each) => this.#drawer(each)) : h("p.empty", t("drawersNone")));
    this.fill("day-z", rowsOf(reports.map((each) => this.#zReport(each)), "zNone"));
    this.fill("day-approvals", facts(Object.entries(approvals.roles).map(([action, role]) => [
      wordsFor("deed", action), role ? wordsFor("role", role) : t("approvalNone"),
    ])), h("p.hint", t("approvalNote", approvals.discount_above_pct, Math.round(approvals.expires_s / 60))));
    this.trail.drawAgain();
  }

  #drawer({ session, x }) {
    return h("section.drawer", { "data-session": session.session_id },
      h("div.top", h("span", this.people.till(session.till_id)),
        x && h("strong.amount", t("expectedNow", money(x.figures.expected_cash, session.currency)))),
      h("div.sub", h("span", t("openedBy", this.people.actor(session.opened_by), moment(session.opened_at))),
        h("span", t("floatOf", money(session.float_amount, session.currency)))),
      x ? report(x.figures, session.currency) : null);
  }

  #zReport(z) {
    const isEven = z.difference === 0;
    const difference = isEven ? t("zEven") : t(z.difference < 0 ? "zShort" : "zOver", money(Math.abs(z.difference), z.currency));
    return h("li", { "data-z": z.z_no }, h("details", { "data-key": z.z_no },
      h("summary",
        h("div.top", h("span.code", z.z_no), h("strong.amount", money(z.figures.total, z.currency))),
        h("div.sub", h("span", z.business_date), h("span", this.people.till(z.till_id)),
          h("span", t("closedBy", this.people.actor(z.closed_by), moment(z.closed_at))),
          h(`span.badge.${isEven ? "good" : "bad"}`, difference))),
      facts([
        [t("zExpected"), money(z.figures.expected_cash, z.currency)],
        [t("zCounted"), money(z.counted_cash, z.currency)],
        [t("zFloat"), money(z.float_amount, z.currency)],
        [t("zNote"), z.note],
      ]),
      report(z.figures, z.currency), this.#printButton(z)));
  }

  #printButton(z) {
    const print_id = `z:${crypto.randomUUID()}`; // one id a button: a second press after a lost answer is no second copy
    const button = h("button", { type: "button" }, t("zPrint"));
    button.onclick = async () => {
      button.disabled = true;
      try {
        await post(`/v1/z-reports/${encodeURIComponent(z.z_no)}/print`, { print_id });
        button.textContent = t("zPrinting");
      } catch (error) {
        this.say(remedyOf(error));
        button.disabled = false;
      }
    };
    return button;
  }
}

/** A session that was closed meanwhile has no X report any more. */
function xReport(session) {
  return get(`/v1/drawer-sessions/${encodeURIComponent(session.session_id)}/x-report`).catch(() => null);
}
