/** Prices in force: what one piece costs now and why, promotions, price lists, the shop's own prices. */

import { get, post, remove } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { minorOf, money, today } from "/console/format.js";
import { Labels } from "/console/labels.js";
import { View, facts, remedyOf, rowsOf } from "/console/view.js";
import { named, t, wordsFor } from "/console/words.js";

const TONE = { now: "good", later: "wait", over: "" };

export class Prices extends View {
  /** @param {import("/console/products.js").Catalogue} catalogue @param {() => string} currency */
  constructor(catalogue, currency) {
    super("prices");
    this.catalogue = catalogue;
    this.currency = currency;
    /** @type {object | null} */
    this.found = null;
    /** @type {() => HTMLElement | null} what was asked for, in the language of the moment */
    this.answer = () => null;
    this.labels = new Labels();
    byId("own-form").onsubmit = (submit) => this.#set(submit);
    byId("price-form").onsubmit = (submit) => this.#ask(submit);
  }

  async read() {
    const [pricing, own] = await Promise.all([get("/v1/pricing"), get("/v1/store-prices"), this.labels.read()]);
    this.found = { ...pricing, own: own.items };
    await Promise.all(own.items.map(({ sku }) => this.catalogue.item(sku)));
  }

  clear() {
    this.found = null;
    this.answer = () => null;
    this.labels.clear();
    byId("price").value = "";
  }

  drawAgain() {
    this.fill("price-now", this.answer() ?? h("p.empty", t("priceHow")));
    if (this.found === null) return;
    this.fill("labels-said", this.labels.drawAgain());
    const { promotions, lists, own } = this.found;
    this.fill("promotions", rowsOf(inForceFirst(promotions).map((each) => this.#promotion(each)), "promotionsNone"));
    this.fill("price-lists", rowsOf(inForceFirst(lists).map(list), "listsNone"));
    this.fill("own-prices", rowsOf(inForceFirst(own).map((each) => this.#own(each)), "ownNone"));
  }

  #promotion(each) {
    const goods = [...each.categories, ...each.skus];
    return h("li", { "data-promotion": each.promotion_id },
      h("div.top", h("span", named(each.name) || each.promotion_id), badge(each)),
      h("div.sub", h("span", this.#does(each)), h("span", goods.length ? t("promotionFor", goods.join(", ")) : t("promotionAll")),
        each.members_only ? h("span", t("membersOnly")) : null, h("span", dates(each)), h("span", hours(each))),
      h("div.sub", h("span", place(each)), h("span.code", each.promotion_id)));
  }

  #does({ does, count, pay_for, amount, rate_bp }) {
    if (does === "n_for_amount") return t("doesAmount", count, money(amount, this.currency()));
    if (does === "n_for_price_of") return t("doesPriceOf", count, pay_for);
    if (does === "percent_off") return t("doesPercent", rate_bp / 100);
    return t("doesOff", money(amount, this.currency()));
  }

  #own(each) {
    return h("li", { "data-sku": each.sku },
      h("div.top", h("span", named(this.catalogue.known(each.sku)?.name) || each.sku),
        h("strong.amount", money(each.amount, this.currency()) + per(each.per))),
      h("div.sub", badge(each), h("span.code", each.sku), h("span", dates(each)), each.reason && h("span", each.reason),
        this.#backButton(each.sku)));
  }

  #backButton(sku) {
    const button = h("button", { type: "button", "aria-label": t("ownBackOf", sku) }, t("ownBack"));
    button.onclick = () => this.#write(() => remove(`/v1/store-prices/${encodeURIComponent(sku)}`));
    return button;
  }

  #set(submit) {
    submit.preventDefault();
    const form = submit.target;
    const amount = minorOf(form.elements.amount.value);
    if (amount === null) {
      form.elements.amount.focus();
      this.say(t("ownAmountWrong"));
      return;
    }
    const asked = { sku: form.elements.sku.value.trim(), amount, reason: form.elements.reason.value.trim() };
    this.#write(() => post("/v1/store-prices", asked).then(() => form.reset()));
  }

  async #write(act) {
    try {
      await act();
    } catch (error) {
      this.say(remedyOf(error));
      return;
    }
    await this.refresh();
  }

  async #ask(submit) {
    submit.preventDefault();
    const words = byId("price").value.trim();
    if (!words) return;
    try {
      const [item] = (await get(`/v1/products?scan=${encodeURIComponent(words)}`)).items;
      const quote = await post("/v1/quotes", { lines: [{ line: 1, sku: item.sku, qty: item.unit === "g" ? 100 : 1, unit: item.unit }] });
      this.answer = () => priceNow(item, quote, (id) =>
        named(this.found?.promotions.find(({ promotion_id }) => promotion_id === id)?.name) || id);
    } catch (error) {
      this.answer = () => h("p.warn", remedyOf(error));
    }
    this.drawAgain();
  }
}

function priceNow(item, quote, nameOf) {
  const [line] = quote.lines;
  const listed = item.catalogue_price; // told where the shop sells at another one
  return h("div", { "data-sku": item.sku },
    h("div.top", h("span", named(item.name)), h("strong.amount", money(line.unit_price, quote.currency) + per(line.per))),
    facts([
      [t("priceCatalogue"), listed ? money(listed.amount, listed.currency) + per(listed.per) : ""],
      ...quote.promotions.map(({ promotion_id, why }) => [nameOf(promotion_id), wordsFor("why", why)]),
    ]));
}

function list(each) {
  return h("li", { "data-list": each.list_id },
    h("div.top", h("span", named(each.name) || each.list_id), badge(each)),
    h("div.sub", h("span", place(each)), h("span", t("rank", each.rank)), h("span", dates(each)), h("span.code", each.list_id)));
}

/** @returns {"now" | "later" | "over"} by the shop's date */
function stateOf({ valid_from, valid_until }) {
  if (valid_from && valid_from > today()) return "later";
  return valid_until && valid_until < today() ? "over" : "now";
}

function inForceFirst(rows) {
  const order = Object.keys(TONE);
  return rows.toSorted((one, other) => order.indexOf(stateOf(one)) - order.indexOf(stateOf(other)));
}

function badge(each) {
  const state = stateOf(each);
  return h(TONE[state] ? `span.badge.${TONE[state]}` : "span.badge", t(`force.${state}`));
}

function place({ scope, place }) {
  return `${wordsFor("scope", scope)}${place ? ` ${place}` : ""}`;
}

function dates({ valid_from, valid_until }) {
  if (!valid_from && !valid_until) return t("always");
  return `${valid_from || "…"} – ${valid_until || "…"}`;
}

function hours({ hour_from, hour_until, weekdays }) {
  const days = weekdays.map((day) => wordsFor("weekday", String(day))).join(" ");
  return [days, hour_from === 0 && hour_until === 24 ? "" : `${hour_from}:00–${hour_until}:00`].filter(Boolean).join(" ");
}

function per(units) {
  return units === 1 ? "" : ` ${t("perGrams", units)}`;
}
