/** Members as a manager may see them, coupons by their serial, and what of both waits for a person. */

import { get } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { Enrol } from "/console/enrol.js";
import { count, money, span } from "/console/format.js";
import { View, facts, remedyOf, rowsOf } from "/console/view.js";
import { named, t, wordsFor } from "/console/words.js";

const SHOWN = 20;
const DISPUTED = new Set(["dispute", "coupon", "lost_field"]);
const PHONE = /^[+\d][\d\s()-]{4,}$/;
const REFUSED_QUERY = 422; // words that are no card, no telephone: nothing is found by that

export class Members extends View {
  /** @param {() => string | null} printer  which printer coupons go to, null where there is none */
  constructor(printer) {
    super("members");
    this.enrol = new Enrol(this, printer);
    /** @type {object | null} */
    this.found = null;
    /** @type {object[] | null} people that were searched for */
    this.people = null;
    /** @type {() => HTMLElement | null} the coupon that was asked for, in the language of the moment */
    this.coupon = () => null;
    byId("member-form").onsubmit = (submit) => this.#search(submit);
    byId("coupon-form").onsubmit = (submit) => this.#ask(submit);
  }

  async read() {
    const [attention, exposure] = await Promise.all([get("/v1/attention?limit=200"), get("/v1/points/exposure")]);
    this.found = { disputes: attention.items.filter(({ kind }) => DISPUTED.has(kind)), exposure };
  }

  clear() {
    this.found = null;
    this.people = null;
    this.coupon = () => null;
    for (const id of ["member", "coupon"]) byId(id).value = "";
    this.enrol.clear();
    this.drawAgain();
  }

  drawAgain() {
    this.fill("members", this.people === null ? h("p.empty", t("membersHow")) : rowsOf(this.people.map(person), "membersNone"));
    this.enrol.drawAgain();
    this.fill("coupon-found", this.coupon() ?? h("p.empty", t("couponHow")));
    if (this.found === null) {
      this.fill("disputes");
      this.fill("exposure");
      return;
    }
    this.fill("disputes", rowsOf(this.found.disputes.map(dispute), "disputesNone"));
    const { points, members } = this.found.exposure;
    this.fill("exposure", h("p.hint", points ? t("exposure", count(points), count(Object.keys(members).length)) : t("exposureNone")));
  }

  /** Show one person, as after enrolling them. */
  show(member) {
    this.people = [member];
    this.drawAgain();
  }

  async #search(submit) {
    submit.preventDefault();
    const words = byId("member").value.trim();
    if (!words) return;
    const kinds = ["card", "q", ...(PHONE.test(words) ? ["phone"] : []), ...(words.includes("@") ? ["email"] : [])];
    try {
      const pages = await Promise.all(kinds.map((kind) => find(kind, words)));
      this.people = [...new Map(pages.flat().map((each) => [each.member_id, each])).values()];
      this.say("");
    } catch (error) {
      this.say(remedyOf(error));
    }
    this.drawAgain();
  }

  async #ask(submit) {
    submit.preventDefault();
    const serial = byId("coupon").value.trim();
    if (!serial) return;
    try {
      const view = await get(`/v1/coupons/${encodeURIComponent(serial)}`);
      this.coupon = () => coupon(view);
    } catch (error) {
      this.coupon = () => h("p.warn", remedyOf(error));
    }
    this.drawAgain();
  }
}

async function find(kind, words) {
  try {
    return (await get(`/v1/members?limit=${SHOWN}&${kind}=${encodeURIComponent(words)}`)).items;
  } catch (error) {
    if (error.status === REFUSED_QUERY) return [];
    throw error;
  }
}

function person(each) {
  const contested = each.contested?.length ? h("span.badge.bad", t("contested")) : null;
  return h("li", { "data-member": each.member_id },
    h("div.top", h("span", each.name || each.member_id), h("strong.amount", t("points", count(each.points)))),
    h("div.sub", each.tier && h("span.badge.good", each.tier), contested,
      [each.phone, each.email, each.card, each.line_id].filter(Boolean).map((known) => h("span.code", known)),
      Object.entries(each.consents).map(([purpose, word]) => h("span", `${wordsFor("purpose", purpose)} ${wordsFor("consent", word)}`))),
    each.ids.length > 1 ? h("div.sub", h("span", t("joined", count(each.ids.length)))) : null,
    each.note ? h("p.warn", each.note) : null);
}

function coupon(view) {
  const isGood = view.verdict !== "refused";
  return h("div", { "data-serial": view.serial },
    h("div.top", h("span", named(view.name)), h(`span.badge.${isGood ? "good" : "bad"}`, wordsFor("verdict", view.verdict))),
    view.against.length ? h("p.warn", view.against.map((why) => wordsFor("against", why)).join(" · ")) : null,
    facts([
      [t("couponTakes"), money(view.amount_max, view.currency)],
      [t("couponSpend"), view.spend_min ? money(view.spend_min, view.currency) : ""],
      [t("couponWindow"), `${view.valid_from} – ${view.valid_until}`],
      [t("couponUses"), `${count(view.uses_left)} / ${count(view.uses)}`],
    ]));
}

function dispute(line) {
  return h("li", { "data-line": line.id },
    h("div.top", h("span", named(line.title)), line.age_s === null ? null : h("span.hint", span(line.age_s * 1000) || t("justNow"))),
    h("div.sub", h("span", named(line.said))), h("a", { href: "#settle" }, t("toSettle")));
}
