/** One order on the table: its lines as they are picked by scan, its next step, its papers, requests and steps. */

import { get, post, remove } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { count, moment } from "/console/format.js";
import { facts, figuresTable, remedyOf, rowsOf } from "/console/view.js";
import { named, t, wordsFor } from "/console/words.js";

const CLOSED = new Set(["collected", "shipped", "cancelled", "expired"]);
const COLLECT = "click_and_collect";
const TONE = { created: "wait", allocated: "wait", picking: "wait", ready: "good", collected: "good", shipped: "good" };
const UNSURE = 500; // from here on nobody knows whether it was done: it is asked again under the same id

export class Packing {
  /** @param {import("/console/orders.js").Orders} orders  the page that it stands on */
  constructor(orders) {
    this.orders = orders;
    this.orderId = "";
    /** @type {object | null} OrderView */
    this.order = null;
    /** @type {() => HTMLElement | string} what the last scan was, in the language of the moment */
    this.said = () => "";
    /** @type {string} the scanner that this screen has claimed */
    this.scanner = "";
    this.tillId = "";
    this.scanners = [];
    /** @type {Map<string, string>} what was asked and not answered -> the id it was asked under */
    this.unanswered = new Map();
    byId("order-scan").onsubmit = (submit) => {
      submit.preventDefault();
      const label = byId("order-label").value.trim();
      byId("order-label").value = "";
      if (label) this.scan(label);
    };
    byId("order-step").onsubmit = (submit) => {
      submit.preventDefault();
      const { value } = submit.submitter ?? {};
      if (value === "code") this.#showCode();
      else if (value) this.#step(value);
    };
    byId("order-scanner").onchange = () => this.#claim(byId("order-scanner").value);
  }

  /** Take an order; raise HubError. @param {string} code  of whoever fetches it, where it was scanned */
  async take(orderId, code) {
    const { order_id } = await get(path(orderId));
    if (order_id !== this.orderId) this.#forget();
    this.orderId = order_id;
    byId("order-code").value = code;
    await this.read();
  }

  async read() {
    const [devices, order] = await Promise.all([get("/v1/devices"), this.orderId ? get(path(this.orderId)) : null]);
    await Promise.all((order?.lines ?? []).map(({ sku }) => this.orders.catalogue.item(sku)));
    this.scanners = devices.items.filter(({ category }) => category === "Scanner").map(({ device_id }) => device_id);
    if (order?.order_id === this.orderId) this.order = order;
    const mine = devices.items.find(({ device_id }) => device_id === this.scanner);
    if (mine && !mine.claimed_by) await this.#claim(this.scanner); // a hub that was started again has forgotten claims
  }

  /** The page is left: the scanner is for whoever needs it. */
  leave() {
    this.#claim("");
  }

  clear() {
    this.orderId = "";
    this.order = null;
    this.unanswered.clear();
    this.#forget();
    this.drawAgain();
  }

  /** A scanner read a label: this screen's own picks with it. */
  heard(device, { label, error, claimed_by }) {
    if (device === this.scanner && claimed_by === this.tillId && !error && this.orders.isOpen && this.#isPicked()) this.scan(label);
  }

  /** Put what was scanned into the parcel, or with -1 take one out again. */
  async scan(label, qty) {
    const asked = `${this.orderId} ${label} ${qty ?? ""}`;
    const scan_id = this.#idOf(asked);
    try {
      const told = await post(`${path(this.orderId)}/scans`, { scan_id, label, ...(qty ? { qty } : {}) });
      this.unanswered.delete(asked);
      await this.read();
      const goods = () => named(this.order.lines.find(({ sku }) => sku === told.sku)?.name) || told.sku;
      this.said = () => h("span.good", t(qty < 0 ? "scanOut" : "scanRight", goods(), count(told.missing)));
    } catch (error) {
      this.#forgetAnswered(asked, error);
      const { title } = error.problem ?? {};
      this.said = () => h("span.bad", [label, wordsFor("scanned", error.problem?.code) || title, remedyOf(error)].join(" · "));
    }
    this.orders.drawAgain();
  }

  drawAgain() {
    const { order, orders } = this;
    for (const id of ["order-scan", "order-step"]) byId(id).hidden = true;
    if (order === null) {
      orders.fill("order-table", h("p.empty", t("orderChoose")));
      orders.fill("order-past");
      return;
    }
    orders.fill("order-table",
      h("div.top", h("strong.code", order.order_id), h(`span.badge.${TONE[order.state] ?? "bad"}`, wordsFor("order", order.state))),
      this.#facts(order), order.address ? h("p.address", order.address) : null,
      order.flags.map((flag) => h("p.warn", wordsFor("orderFlag", flag))),
      order.requests.map((each) => this.#request(each)), this.#lines(order));
    byId("order-scan").hidden = !this.#isPicked();
    byId("order-scan-said").replaceChildren(this.said());
    this.#drawScanners();
    this.#drawStep(order);
    orders.fill("order-past", h("h3", t("orderSteps")), rowsOf(order.steps.toReversed().map((each) => this.#past(each)), "ordersNone"));
  }

  #isPicked() {
    return this.order?.state === "picking" && this.order.ours;
  }

  #facts({ kind, name, deadline, sale_id, note, owner, ours, state }) {
    return facts([
      [t("orderKind"), wordsFor("orderKind", kind)], [t("orderName"), name],
      [t("orderDeadline"), deadline ? moment(deadline) : ""], [t("orderSale"), sale_id], [t("documentNote"), note],
      [t("orderOwner"), ours || CLOSED.has(state) ? "" : owner || t("orderNobody")],
    ]);
  }

  #request({ wants, by, reason, at, answer }) {
    const words = t("orderWants", this.orders.people.actor(by), wordsFor("order", wants), moment(at));
    return h(answer === "open" ? "p.warn" : "p.hint", [words, reason, wordsFor("answer", answer)].filter(Boolean).join(" · "));
  }

  #lines({ lines }) {
    const isPicked = this.#isPicked();
    const isWeighed = (sku) => this.orders.catalogue.known(sku)?.unit === "g";
    const amount = (sku, qty) => (isWeighed(sku) ? t("weight", count(qty)) : count(qty));
    const out = ({ sku, picked, name }) => {
      if (!isPicked || picked < 1) return "";
      const button = h("button", { type: "button", "aria-label": t("scanTakeOut", named(name) || sku) }, "−");
      button.onclick = () => this.scan(sku, isWeighed(sku) ? -picked : -1);
      return button;
    };
    return figuresTable(t("orderLines"), [t("goods"), t("orderQty"), t("orderPicked"), isPicked ? "" : t("orderShort")],
      lines.map((line) => [named(line.name) || line.sku, amount(line.sku, line.qty), amount(line.sku, line.picked),
        isPicked ? out(line) : line.short ? amount(line.sku, line.short) : "—"]));
  }

  #drawScanners() {
    const choice = byId("order-scanner");
    choice.replaceChildren(h("option", { value: "" }, t("scannerNone")), ...this.scanners.map((id) => h("option", { value: id }, id)));
    choice.value = this.scanner;
    choice.parentElement.hidden = this.scanners.length === 0;
  }

  /** What may be done next, by state and kind; of an order that is somebody else's the same is asked of them. */
  #drawStep({ state, kind, lines, ours }) {
    if (CLOSED.has(state)) return;
    const isCollected = kind === COLLECT;
    const missing = lines.some(({ qty, picked }) => picked < qty);
    const button = (value, word, tone = "") => h(`button${tone}`, { type: "submit", value }, t(word));
    const next = {
      allocated: () => [button("picking", "doPick", ".primary")],
      picking: () => [button("ready", missing ? "doReadyShort" : "doReady", missing ? "" : ".primary")],
      ready: () => (isCollected ? [button("collected", "doHandOver", ".primary"), ours ? button("code", "doShowCode") : null]
        : [button("shipped", "doShip", ".primary")]),
    }[state]?.() ?? [];
    byId("order-step").hidden = false;
    byId("order-code").parentElement.hidden = !(state === "ready" && isCollected);
    byId("order-not-ours").hidden = ours;
    const label = this.orders.printer() ? this.orders.paperButton("doLabel", async () => (await get(`${path(this.orderId)}/label`)).document) : null;
    this.orders.fill("order-buttons", next, button("cancelled", "doCancel"), label);
  }

  #past({ state, at, by, rep, reason }) {
    return h("li", h("div.top", h("span", wordsFor("order", state)), h("time.hint", moment(at))),
      h("div.sub", h("span", this.orders.people.actor(by || rep)), reason && h("span", reason)));
  }

  async #step(state) {
    const reason = byId("order-reason").value.trim();
    if (state === "cancelled" && !reason) {
      this.#askFor("order-reason", "orderSayWhy");
      return;
    }
    const code = state === "collected" ? byId("order-code").value.trim().replace(/^.*\//, "") : "";
    if (state === "collected" && this.order.ours && !code) {
      this.#askFor("order-code", "orderAskCode");
      return;
    }
    const asked = `${this.orderId} ${this.order.n} ${state} ${reason} ${code}`;
    await this.#do(async () => {
      const body = { step_id: this.#idOf(asked), state, reason, ...(code ? { code } : {}) };
      const { status, order } = await post(`${path(this.orderId)}/steps`, body);
      this.order = order;
      this.#forget();
      return status === "requested" ? t("orderRequested") : "";
    }, asked);
    if (this.#isPicked()) byId("order-label").focus();
  }

  async #showCode() {
    const reason = byId("order-reason").value.trim();
    if (!reason) {
      this.#askFor("order-reason", "orderSayWhy");
      return;
    }
    await this.#do(async () => {
      const { code } = await post(`${path(this.orderId)}/code`, { reason });
      byId("order-code").value = code;
      return "";
    });
  }

  /** Do it, read again, then say what is to be said. @param {() => Promise<string>} act  returns the words */
  async #do(act, asked = "") {
    try {
      const words = await act();
      this.unanswered.delete(asked);
      await this.orders.refresh();
      this.orders.say(words);
    } catch (error) {
      this.#forgetAnswered(asked, error);
      this.orders.say(remedyOf(error));
    }
  }

  #askFor(id, word) {
    byId(id).focus();
    this.orders.say(t(word));
  }

  #forget() {
    this.said = () => "";
    for (const id of ["order-label", "order-code", "order-reason"]) byId(id).value = "";
  }

  /** One id for what is asked again because nobody answered. */
  #idOf(asked) {
    if (!this.unanswered.has(asked)) this.unanswered.set(asked, crypto.randomUUID());
    return this.unanswered.get(asked);
  }

  #forgetAnswered(asked, { status }) {
    if (status && status < UNSURE) this.unanswered.delete(asked);
  }

  /** Claim a scanner for this screen in place of the one before; "" for none. */
  async #claim(device) {
    const claim = (id) => `/v1/devices/${encodeURIComponent(id)}/claim`;
    const before = this.scanner;
    this.scanner = "";
    try {
      if (before) await remove(claim(before));
      if (device) this.tillId = (await post(claim(device), {})).claimed_by;
      this.scanner = device;
    } catch (error) {
      this.orders.say(remedyOf(error));
    }
    if (device) this.drawAgain();
  }
}

function path(orderId) {
  return `/v1/orders/${encodeURIComponent(orderId)}`;
}
