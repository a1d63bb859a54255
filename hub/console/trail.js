/** The audit trail: who did what, newest first, by deed; a page at a time. */

import { get } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { moment } from "/console/format.js";
import { idOf, remedyOf, rowsOf } from "/console/view.js";
import { t, wordsFor } from "/console/words.js";

const SHOWN = 30;
const DEEDS = [
  "approved", "voided", "returned_on_claim", "drawer_session_opened", "drawer_session_closed", "pay_in", "pay_out",
  "cash_drop", "no_sale", "drawer_opened", "day_closed", "signed_in", "signed_out", "cashier_enrolled", "cashier_changed",
  "cashier_locked", "cashier_unlocked", "stock_adjusted", "stock_counted", "safety_stock_set", "points_corrected", "member_erased", "order_code_shown",
  "attention_closed", "till_revoked", "hub_preferred", "device_replaced", "device_put_back",
];

export class Trail {
  /** @param {import("/console/people.js").People} people */
  constructor(people) {
    this.people = people;
    this.items = [];
    this.next = "";
    this.pages = 1;
    this.choice = byId("trail-action");
    this.choice.onchange = () => this.#readAgain(1);
    byId("trail-more").onclick = () => this.#readAgain(this.pages + 1);
  }

  /** Read as many pages as are shown. */
  async read() {
    const action = this.choice.value ? `&action=${encodeURIComponent(this.choice.value)}` : "";
    const items = [];
    let after = "";
    for (let page = 0; page < this.pages; page++) {
      const read = await get(`/v1/trail?limit=${SHOWN}${action}&after=${encodeURIComponent(after)}`);
      items.push(...read.items);
      after = read.next;
      if (!after) break;
    }
    this.items = items;
    this.next = after;
  }

  clear() {
    this.items = [];
    byId("trail").replaceChildren();
  }

  drawAgain() {
    const chosen = this.choice.value;
    this.choice.replaceChildren(h("option", { value: "" }, t("trailAll")),
      ...DEEDS.map((deed) => h("option", { value: deed }, wordsFor("did", deed))));
    this.choice.value = chosen;
    byId("trail").replaceChildren(rowsOf(this.items.map((each) => this.#row(each)), "trailNone"));
    byId("trail-more").hidden = !this.next;
  }

  #row({ actor, action, subject, reason, at }) {
    return h("li", { "data-action": action },
      h("div.top", h("span", wordsFor("did", action)), h("time.hint", moment(at))),
      h("div.sub", h("span", this.people.actor(actor)), idOf(this.people.subject(subject)), reason && h("span", reason)));
  }

  async #readAgain(pages) {
    this.pages = pages;
    try {
      await this.read();
      this.drawAgain();
    } catch (error) {
      byId("trail").replaceChildren(h("p.empty", remedyOf(error)));
    }
  }
}
