/** Closing: a drawer by a count made blind, then the trading day. What is expected is told by the Z report, after the count. */

import { post } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { money } from "/console/format.js";
import { report } from "/console/reports.js";
import { facts, remedyOf } from "/console/view.js";
import { t } from "/console/words.js";

/** Notes and coins in minor units, by currency; of another currency those that most have. */
const PIECES = {
  HKD: [100_000, 50_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10],
  TWD: [200_000, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 100],
  other: [50_000, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10, 5, 2, 1],
};
const PIECES_MAX = 99_999;
const UNSURE = 500; // from here on nobody knows whether it was done: it is asked again under the same id

export class Closing {
  /** @param {import("/console/day.js").Day} day  the page that it stands on @param {() => string | null} printer */
  constructor(day, printer) {
    this.day = day;
    this.printer = printer;
    /** @type {object | null} the session that is counted */
    this.session = null;
    /** @type {object | null} the Z report that the last count ended in */
    this.closed = null;
    this.closeId = crypto.randomUUID();
    this.isAsked = false;
    byId("count-form").onsubmit = (submit) => this.#count(submit);
    byId("count-form").oninput = () => this.#drawSum();
    byId("count-away").onclick = () => this.clear();
    byId("close-day").onsubmit = (submit) => this.#closeDay(submit);
    byId("close-date").onchange = () => this.#ask(false);
  }

  /** Begin to count a session's drawer. */
  begin(session) {
    this.session = session;
    this.closed = null;
    this.#ask(false);
    byId("count-pieces").replaceChildren(...(PIECES[session.currency] ?? PIECES.other).map((value) =>
      h("label", h("span", money(value, session.currency)),
        h("input", { type: "number", min: "0", max: String(PIECES_MAX), step: "1", inputmode: "numeric", "data-value": String(value) }))));
    byId("count-form").reset();
    this.day.drawAgain();
    byId("count-card").scrollIntoView();
    byId("count-pieces").querySelector("input").focus();
  }

  clear() {
    this.session = this.closed = null;
    byId("count-pieces").replaceChildren();
    byId("count-form").reset();
    this.#ask(false);
    this.drawAgain();
    this.day.drawAgain();
  }

  /** The page is left: what a count came to was read; one that was begun stays. */
  leave() {
    this.closed = null;
    this.#ask(false);
  }

  /** @param {{business_date: string, closed_through: string} | null} days */
  drawAgain(days = null) {
    const { session, closed } = this;
    byId("count-card").hidden = session === null && closed === null;
    byId("count-form").hidden = session === null;
    byId("count-print").parentElement.hidden = this.printer() === null;
    byId("count-whose").textContent = session === null ? "" : this.day.people.till(session.till_id);
    byId("count-result").replaceChildren(...(closed === null ? [] : [zTold(closed)]));
    this.#drawSum();
    if (days === null) return;
    byId("close-date").max = days.business_date;
    if (!byId("close-date").value) byId("close-date").value = days.business_date;
    this.#ask(this.isAsked);
  }

  #counted() {
    return [...byId("count-pieces").querySelectorAll("input")]
      .map((input) => [Number(input.dataset.value), Number(input.value)]).filter(([, pieces]) => pieces > 0);
  }

  #drawSum() {
    if (this.session === null) return;
    const sum = this.#counted().reduce((all, [value, pieces]) => all + value * pieces, 0);
    byId("count-sum").textContent = money(sum, this.session.currency);
  }

  async #count(submit) {
    submit.preventDefault();
    const { session_id } = this.session;
    const print = this.printer() !== null && byId("count-print").checked;
    const body = { counted: this.#counted(), note: byId("count-note").value.trim(), print };
    try {
      this.closed = (await post(`/v1/drawer-sessions/${encodeURIComponent(session_id)}/close`, body)).z_report;
    } catch (error) {
      this.day.say(remedyOf(error));
      return;
    }
    this.session = null;
    byId("count-pieces").replaceChildren();
    await this.day.refresh();
  }

  /** The first press asks, the second one closes. */
  #ask(isAsked) {
    this.isAsked = isAsked;
    byId("close-button").textContent = isAsked ? t("closeDayReally", byId("close-date").value) : t("closeDay");
    byId("close-button").classList.toggle("primary", isAsked);
    byId("close-hint").hidden = !isAsked;
  }

  async #closeDay(submit) {
    submit.preventDefault();
    if (!this.isAsked) {
      this.#ask(true);
      return;
    }
    try {
      await post("/v1/days/close", { close_id: this.closeId, business_date: byId("close-date").value });
      this.closeId = crypto.randomUUID();
      this.#ask(false);
      await this.day.refresh();
    } catch (error) {
      if (error.status && error.status < UNSURE) this.closeId = crypto.randomUUID();
      this.#ask(false);
      this.day.say(remedyOf(error));
    }
  }
}

/** What a count came to: told once it is made. */
function zTold(z) {
  return h("div", { "data-counted": z.z_no },
    h("div.top", h("span.code", z.z_no), difference(z)),
    facts([[t("zExpected"), money(z.figures.expected_cash, z.currency)], [t("zCounted"), money(z.counted_cash, z.currency)],
      [t("zFloat"), money(z.float_amount, z.currency)], [t("zNote"), z.note]]),
    report(z.figures, z.currency));
}

/** Return the badge that says how a count differs from what was expected. */
export function difference({ difference, currency }) {
  if (difference === 0) return h("span.badge.good", t("zEven"));
  return h("span.badge.bad", t(difference < 0 ? "zShort" : "zOver", money(Math.abs(difference), currency)));
}
