/** Products: the names behind SKUs, and the search box. */

import { get } from "/console/client.js";
import { Rows, byId, h } from "/console/dom.js";
import { count, money } from "/console/format.js";
import { currentLanguage } from "/console/language.js";
import { named, t } from "/console/words.js";

const KNOWN_MAX = 500; // items remembered; when full all are forgotten and asked for again
const TYPING_MS = 250; // a pause in typing
const SHOWN_MAX = 50;
const LABEL = /^(\d{8}|\d{12,14}|[(\]].*|https?:\/\/.*)$/; // what a scanner would send

/** Items by SKU, asked for once. */
export class Catalogue {
  constructor() {
    /** @type {Map<string, object>} */
    this.items = new Map();
    /** @type {Map<string, Promise<object | null>>} */
    this.asked = new Map();
  }

  /** Return an item if it is known already. */
  known(sku) {
    return this.items.get(sku);
  }

  /** Return an item; null when the hub cannot say. */
  item(sku) {
    if (this.items.has(sku)) return Promise.resolve(this.items.get(sku));
    if (!this.asked.has(sku)) this.asked.set(sku, this.#ask(sku));
    return this.asked.get(sku);
  }

  /** Names and prices may have changed: ask again when they are next needed. */
  forget() {
    this.items.clear();
  }

  async #ask(sku) {
    try {
      const item = await get(`/v1/products/${encodeURIComponent(sku)}`);
      if (this.items.size >= KNOWN_MAX) this.items.clear();
      this.items.set(sku, item);
      return item;
    } catch {
      return null;
    } finally {
      this.asked.delete(sku);
    }
  }
}

/** The search box; the newest question wins. */
export class Search {
  constructor() {
    this.rows = new Rows(byId("products"), row, SHOWN_MAX);
    this.n = 0;
    this.timer = 0;
    /** @type {() => string} the message in the language of the moment */
    this.message = () => "";
    byId("search").oninput = () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(), TYPING_MS);
    };
    byId("search-form").onsubmit = (submit) => {
      submit.preventDefault();
      clearTimeout(this.timer);
      this.ask();
    };
  }

  async ask() {
    const words = byId("search").value.trim();
    const n = ++this.n;
    if (!words) {
      this.#show([], () => "");
      return;
    }
    this.#say(() => t("searching"));
    try {
      const page = await find(words);
      if (n === this.n) this.#show(page.items, () => foundWords(page));
    } catch (error) {
      if (n === this.n) this.#show([], () => error.problem?.remedy?.[currentLanguage()] ?? t("hubAway"));
    }
  }

  /** Read what is shown again, in place. */
  async refresh() {
    const words = byId("search").value.trim();
    const n = this.n;
    if (!words || this.rows.values().length === 0) return;
    const page = await find(words).catch(() => null);
    if (page === null || n !== this.n) return;
    for (const item of page.items) if (this.rows.get(item.sku)) this.rows.put(item.sku, item);
  }

  /** Take a `stock` event: sku -> on hand. */
  setStock(onHand) {
    for (const [sku, figure] of Object.entries(onHand)) {
      const item = this.rows.get(sku);
      if (!item?.stock) continue;
      const { on_hand, available } = item.stock;
      const kept = on_hand - available;
      this.rows.put(sku, { ...item, stock: { ...item.stock, on_hand: figure, available: Math.max(0, figure - kept) } });
    }
  }

  drawAgain() {
    this.rows.redrawAll();
    this.#say(this.message);
  }

  #show(items, message) {
    this.rows.clear();
    for (const item of items.toReversed()) this.rows.put(item.sku, item);
    this.#say(message);
  }

  #say(message) {
    this.message = message;
    byId("search-message").textContent = message();
  }
}

/** Ask for a label, or for words; words that name nothing may still be a SKU. */
async function find(words) {
  const asked = encodeURIComponent(words);
  if (LABEL.test(words)) return get(`/v1/products?scan=${asked}`);
  const page = await get(`/v1/products?limit=${SHOWN_MAX}&q=${asked}`);
  if (page.items.length > 0) return page;
  return get(`/v1/products?scan=${asked}`).catch(() => page);
}

function foundWords(page) {
  if (page.items.length === 0) return t("foundNone");
  return page.next ? t("foundMore", page.items.length) : t("found", page.items.length);
}

function row(item) {
  const { price, stock } = item;
  const amount = price ? money(price.amount, price.currency) : t("noPrice");
  const per = price && price.per !== 1 ? ` ${t("perGrams", price.per)}` : "";
  const unit = (n) => (item.unit === "g" ? t("weight", count(n)) : count(n));
  return h("li", { "data-sku": item.sku },
    h("div.top", h("span.name", named(item.name)), h("strong.amount", amount + per)),
    h("div.sub", h("span.code", item.sku), item.gtins[0] && h("span.code", item.gtins[0].replace(/^0/, "")),
      h(stock && stock.on_hand <= 0 ? "span.bad" : "span", stock ? t("inStock", unit(stock.on_hand)) : t("notStocked")),
      stock?.promised ? h("span", t("promised", unit(stock.promised))) : null));
}
