/** Orders: what waits, the pick list, and one of them on the table (packing.js). Whoever scans a label or a hand-over code gets its order. */

import { get, post } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { count, moment } from "/console/format.js";
import { Packing } from "/console/packing.js";
import { View, remedyOf, rowsOf } from "/console/view.js";
import { named, t, wordsFor } from "/console/words.js";

const SHOWN = 200;
const STATES = ["allocated", "picking", "ready", "created"]; // in the order in which they are worked on
const TO_DO = new Set(["allocated", "picking"]);
const NO_SUCH_ORDER = 404;

export class Orders extends View {
  /**
   * @param {import("/console/products.js").Catalogue} catalogue @param {import("/console/people.js").People} people
   * @param {() => string | null} printer  which printer papers go to, null where there is none
   * @param {(toDo: number, isMore: boolean) => void} onCount  how many are to be picked here
   */
  constructor(catalogue, people, printer, onCount) {
    super("orders");
    this.catalogue = catalogue;
    this.people = people;
    this.printer = printer;
    this.onCount = onCount;
    /** @type {{orders: object[], isMore: boolean, list: object} | null} */
    this.found = null;
    this.packing = new Packing(this);
    byId("order-find").onsubmit = (submit) => this.#find(submit);
  }

  shut() {
    super.shut();
    this.packing.leave();
  }

  async read() {
    const page = await get(`/v1/orders?state=${STATES.join(",")}&limit=${SHOWN}`);
    this.onCount(page.items.filter(({ ours, state }) => ours && TO_DO.has(state)).length, Boolean(page.next));
    if (!this.isOpen) return;
    const [list] = await Promise.all([get("/v1/orders/picklist"), this.people.read(), this.packing.read()]);
    this.found = { orders: page.items.toSorted(inTurn), isMore: Boolean(page.next), list };
  }

  clear() {
    this.found = null;
    this.packing.clear();
    byId("order-number").value = "";
    this.onCount(0, false);
  }

  drawAgain() {
    this.packing.drawAgain();
    if (this.found === null) return;
    const { orders, isMore, list } = this.found;
    this.fill("orders", STATES.filter((state) => orders.some((order) => order.state === state)).flatMap((state) => {
      const those = orders.filter((order) => order.state === state);
      return [h("h3", `${wordsFor("order", state)} · ${count(those.length)}`), rowsOf(those.map((each) => this.#row(each)), "ordersNone")];
    }), orders.length ? null : h("p.empty", t("ordersNone")), isMore ? h("p.hint", t("settleMore", SHOWN)) : null);
    this.fill("order-picklist", rowsOf(list.lines.map(pickLine), "pickNone"),
      list.lines.length && this.printer() ? this.paperButton("pickPrint", () => list.document) : null);
  }

  /** Put an order on the table. */
  async choose(orderId, code = "") {
    try {
      await this.packing.take(orderId, code);
      this.say("");
    } catch (error) {
      this.say(error.status === NO_SUCH_ORDER ? t("orderUnknown", orderId) : remedyOf(error));
    }
    this.drawAgain();
  }

  /** Return a button that prints a paper at the shop's printer. @param {() => object | Promise<object>} document */
  paperButton(word, document) {
    const job_id = `o:${crypto.randomUUID()}`; // one id a button: a second press after a lost answer is no second paper
    const button = h("button", { type: "button" }, t(word));
    button.onclick = async () => {
      button.disabled = true;
      try {
        await post("/v1/print", { job_id, printer_id: this.printer(), document: await document() });
        button.textContent = t("zPrinting");
      } catch (error) {
        this.say(remedyOf(error));
        button.disabled = false;
      }
    };
    return button;
  }

  /** What is typed or scanned is a number, or the customer's QR: number and hand-over code. */
  #find(submit) {
    submit.preventDefault();
    const said = byId("order-number").value.trim();
    const [, orderId, code] = /^(.+)\/(\d+)$/.exec(said) ?? [null, said, ""];
    byId("order-number").value = "";
    if (orderId) this.choose(orderId, code);
  }

  #row(order) {
    const { order_id, kind, name, lines, deadline, ours, flags, requests } = order;
    const pieces = lines.map(({ qty, name, sku }) => `${count(qty)} × ${named(name) || sku}`).join(", ");
    const asked = requests.some(({ answer }) => answer === "open");
    const button = h("button.pick", { type: "button", ...(order_id === this.packing.orderId ? { "aria-current": "true" } : {}) },
      h("span.top", h("span.code", order_id), h("span.hint", deadline ? t("orderUntil", moment(deadline)) : "")),
      h("span.sub", h("span", wordsFor("orderKind", kind)), name && h("span", name), h("span", pieces)),
      h("span.sub", ours ? null : h("span.badge.wait", t("orderNotOurs")), asked ? h("span.badge.bad", t("orderAskedHere")) : null,
        flags.map((flag) => h("span.badge.bad", wordsFor("orderFlag", flag)))));
    button.onclick = () => this.choose(order_id).then(() => byId("order-card").scrollIntoView());
    return h("li", { "data-order": order_id }, button);
  }
}

function pickLine({ sku, name, qty, orders }) {
  return h("li", { "data-sku": sku },
    h("div.top", h("span", named(name) || sku), h("strong.amount", `× ${count(qty)}`)),
    h("div.sub", h("span.code", sku), orders.map((each) => h("span.code", `${each.order_id} × ${count(each.qty)}`))));
}

/** The nearest deadline first, those without one behind. */
function inTurn(one, other) {
  const due = ({ deadline }) => (deadline ? Date.parse(deadline) : Infinity);
  return due(one) - due(other) || (one.order_id < other.order_id ? -1 : 1);
}
