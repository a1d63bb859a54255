/** Enrolling a member: who they are, what they agree to; a number that somebody has already may be the same person's. */

import { get, post } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { money } from "/console/format.js";
import { facts, remedyOf } from "/console/view.js";
import { named, t } from "/console/words.js";

const FIELDS = ["name", "phone", "email", "card", "language", "birth_month"];
const PURPOSES = ["marketing", "profile"];
const TAKEN = "identity_taken";
const UNSURE = 500; // from here on nobody knows whether it was done: it is asked again under the same id

export class Enrol {
  /** @param {import("/console/members.js").Members} members  the page that it stands on @param {() => string | null} printer */
  constructor(members, printer) {
    this.members = members;
    this.printer = printer;
    this.memberId = crypto.randomUUID();
    this.form = byId("enrol-form");
    /** @type {() => (HTMLElement | string)[]} what came of it, in the language of the moment */
    this.told = () => [];
    this.form.onsubmit = (submit) => {
      submit.preventDefault();
      this.#enrol(submit.submitter?.value === "join");
    };
    this.form.oninput = () => this.#offerJoin(false);
  }

  clear() {
    this.form.reset();
    this.#offerJoin(false);
    this.told = () => [];
    this.memberId = crypto.randomUUID();
  }

  drawAgain() {
    byId("enrolled").replaceChildren(...this.told());
  }

  async #enrol(join) {
    try {
      const { member, coupon, warnings } = await post("/v1/members", this.#asked(join));
      this.clear();
      this.told = () => [h("p.good", t("enrolled", member.name || member.member_id)), ...(coupon ? [couponTold(coupon)] : []),
        ...(warnings ?? []).map(({ code, detail }) => h("p.warn", detail || code))];
      this.members.show(member);
    } catch (error) {
      if (error.status && error.status < UNSURE) this.memberId = crypto.randomUUID();
      const { code, holder } = error.problem ?? {};
      this.told = () => [h("p.warn", code === TAKEN ? t("enrolTaken") : remedyOf(error))];
      this.#offerJoin(code === TAKEN);
      if (code === TAKEN) await get(`/v1/members/${encodeURIComponent(holder)}`).then((member) => this.members.show(member), () => {});
    }
    this.drawAgain();
  }

  #asked(join) {
    const fields = new FormData(this.form);
    const given = FIELDS.map((field) => [field, String(fields.get(field) ?? "").trim()]).filter(([, value]) => value);
    const consents = PURPOSES.map((purpose) => [purpose, fields.get(purpose)]).filter(([, choice]) => choice);
    const asked = { member_id: this.memberId, ...Object.fromEntries(given), consents: Object.fromEntries(consents), join };
    if (asked.birth_month) asked.birth_month = Number(asked.birth_month);
    return this.printer() === null ? asked : { ...asked, print: true };
  }

  #offerJoin(isOffered) {
    byId("enrol-join").hidden = !isOffered;
  }
}

function couponTold(coupon) {
  return h("div", { "data-serial": coupon.serial },
    h("div.top", h("span", named(coupon.name)), h("strong.code", coupon.serial)),
    facts([
      [t("couponTakes"), money(coupon.amount_max, coupon.currency)],
      [t("couponSpend"), coupon.spend_min ? money(coupon.spend_min, coupon.currency) : ""],
      [t("couponWindow"), `${coupon.valid_from} – ${coupon.valid_until}`],
    ]), coupon.print_job ? h("p.hint", t("zPrinting")) : null);
}
