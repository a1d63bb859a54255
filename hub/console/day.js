/** The tills' day: the trading day, drawers that are open (X), Z reports, who must approve of what. The trail: trail.js, closing: closing.js. */

import { get, post } from "/console/client.js";
import { Closing, difference } from "/console/closing.js";
import { h } from "/console/dom.js";
import { count, moment, money } from "/console/format.js";
import { report } from "/console/reports.js";
import { View, facts, remedyOf, rowsOf } from "/console/view.js";
import { t, wordsFor } from "/console/words.js";

const Z_SHOWN = 20;

export class Day extends View {
  /**
   * @param {import("/console/people.js").People} people @param {import("/console/trail.js").Trail} trail
   * @param {() => string | null} printer  which printer Z reports go to, null where there is none
   */
  constructor(people, trail, printer) {
    super("day");
    this.people = people;
    this.trail = trail;
    this.printer = printer;
    this.closing = new Closing(this, printer);
    /** @type {object | null} */
    this.found = null;
    /** @type {Map<string, object | null>} session_id -> X report, of those that somebody looks at: who counts must not know */
    this.xReports = new Map();
  }

  async read() {
    const [days, sessions, reports, approvals] = await Promise.all([
      get("/v1/days"), get("/v1/drawer-sessions"), get(`/v1/z-reports?limit=${Z_SHOWN}`), get("/v1/approvals"),
      this.people.read(), this.trail.read(),
    ]);
    this.found = { days, open: sessions.items, reports: reports.items, approvals };
    await Promise.all([...this.xReports.keys()].map((id) => this.#look(id)));
  }

  shut() {
    super.shut();
    this.xReports.clear();
    this.closing.leave();
  }

  clear() {
    this.found = null;
    this.xReports.clear();
    this.trail.clear();
    this.closing.clear();
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
    this.closing.drawAgain(days);
  }

  #drawer(session) {
    const { session_id, till_id, opened_by, opened_at, float_amount, currency } = session;
    const isCounted = this.closing.session?.session_id === session_id;
    const count = h("button.primary", { type: "button" }, t("countBegin"));
    count.onclick = () => {
      this.xReports.delete(session_id);
      this.closing.begin(session);
    };
    return h("section.drawer", { "data-session": session_id },
      h("div.top", h("span", this.people.till(till_id)), isCounted ? h("span.badge.wait", t("countNow")) : count),
      h("div.sub", h("span", t("openedBy", this.people.actor(opened_by), moment(opened_at))),
        h("span", t("floatOf", money(float_amount, currency)))),
      isCounted ? null : this.#xReport(session_id, currency));
  }

  #xReport(sessionId, currency) {
    const x = this.xReports.get(sessionId);
    const opened = h("details", { "data-key": `x:${sessionId}` }, h("summary", t("xReport")),
      x ? [h("p.top", h("span.warn", t("xBlind")), h("strong.amount", t("expectedNow", money(x.figures.expected_cash, currency)))),
        report(x.figures, currency)] : h("p.hint", "…"));
    opened.ontoggle = async () => {
      if (!opened.open) this.xReports.delete(sessionId);
      else if (!this.xReports.has(sessionId)) {
        await this.#look(sessionId);
        this.drawAgain();
      }
    };
    return opened;
  }

  /** A session that was closed meanwhile has no X report any more. */
  async #look(sessionId) {
    this.xReports.set(sessionId, await get(`/v1/drawer-sessions/${encodeURIComponent(sessionId)}/x-report`).catch(() => null));
  }

  #zReport(z) {
    return h("li", { "data-z": z.z_no }, h("details", { "data-key": z.z_no },
      h("summary",
        h("div.top", h("span.code", z.z_no), h("strong.amount", money(z.figures.total, z.currency))),
        h("div.sub", h("span", z.business_date), h("span", this.people.till(z.till_id)),
          h("span", t("closedBy", this.people.actor(z.closed_by), moment(z.closed_at))),
          difference(z))),
      facts([
        [t("zExpected"), money(z.figures.expected_cash, z.currency)],
        [t("zCounted"), money(z.counted_cash, z.currency)],
        [t("zFloat"), money(z.float_amount, z.currency)],
        [t("zNote"), z.note],
      ]),
      report(z.figures, z.currency), this.printer() === null ? null : this.#printButton(z)));
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
