/** What head office asks this shop to send: each with what goes of it, booked as sent or refused with a reason. */

import { get, post } from "/console/client.js";
import { h } from "/console/dom.js";
import { ago, count, moment } from "/console/format.js";
import { figuresTable, idOf, remedyOf, rowsOf } from "/console/view.js";
import { t, wordsFor } from "/console/words.js";

const REASONS = ["not_found", "damaged", "needed_here", "other"];

export class Requests {
  /** @param {import("/console/stock.js").Stock} page  that it stands on */
  constructor(page) {
    this.page = page;
    /** @type {object[]} RequestView */
    this.items = [];
    /** @type {Map<string, string>} what was typed and not sent: a page that is drawn again keeps it */
    this.typed = new Map();
  }

  /** Read what is open; return the SKUs of it. */
  async read() {
    this.items = (await get("/v1/stock/transfers/requests")).items;
    return this.items.flatMap(({ lines }) => lines.map(({ sku }) => sku));
  }

  clear() {
    this.items = [];
    this.typed.clear();
  }

  drawAgain() {
    this.page.fill("stock-requests", rowsOf(this.items.map((each) => this.#row(each)), "requestsNone"));
  }

  #row(request) {
    const { request_id, to, lines, asked_at, until, is_late, note } = request;
    return h("li", { "data-request": request_id }, h("details", { "data-key": request_id },
      h("summary",
        h("div.top", h("span", t("transferTo", to)), until ? h(`span.badge.${is_late ? "bad" : "wait"}`, t("requestUntil", moment(until))) : null),
        h("div.sub", idOf(request_id), h("span", ago(asked_at)), h("span", t("linesOf", count(lines.length))))),
      note ? h("p.remedy", note) : null, this.#form(request)));
  }

  #form(request) {
    const inputs = request.lines.map((line) => [line.sku, this.#input(`${request.request_id} ${line.sku}`, line)]);
    const reason = h("select", { "aria-label": t("requestWhy") },
      [h("option", { value: "" }, t("requestWhy")), ...REASONS.map((each) => h("option", { value: each }, wordsFor("refusal", each)))]);
    reason.value = this.typed.get(request.request_id) ?? "";
    reason.onchange = () => this.typed.set(request.request_id, reason.value);
    const form = h("form.note-form",
      figuresTable(t("transferLines"), [t("goods"), t("requestAsked"), t("requestHere"), t("requestGoes")],
        request.lines.map((line, at) => [this.page.goods(line.sku), count(line.qty), count(line.on_hand), inputs[at][1]])),
      h("div.buttons", h("button", { type: "submit", value: "send" }, t("requestSend"))),
      h("div.buttons", h("div.choice", reason), h("button", { type: "submit", value: "refuse" }, t("requestRefuse"))));
    form.onsubmit = (submit) => {
      submit.preventDefault();
      if (submit.submitter?.value === "refuse") this.#refuse(request, reason);
      else this.#send(request, inputs);
    };
    return form;
  }

  #input(key, { sku, qty }) {
    const input = h("input", { type: "number", min: "0", step: "1", "aria-label": `${t("requestGoes")}: ${this.page.goods(sku)}` });
    input.value = this.typed.get(key) ?? String(qty);
    input.oninput = () => this.typed.set(key, input.value);
    return input;
  }

  /** The document has the request's id: pressed again after a lost answer it is the same document. */
  #send({ request_id, to }, inputs) {
    const lines = inputs.map(([sku, input]) => ({ sku, qty: Number(input.value) })).filter(({ qty }) => qty > 0);
    if (!lines.length) this.page.say(t("requestNothing"));
    else this.#do(() => post("/v1/stock/documents", { document_id: request_id, kind: "transfer_out", to, lines }));
  }

  #refuse({ request_id }, reason) {
    if (!reason.value) this.page.say(t("requestNothing"));
    else this.#do(() => post(`/v1/stock/transfers/requests/${encodeURIComponent(request_id)}/refuse`, { reason: reason.value }));
  }

  async #do(act) {
    try {
      await act();
      document.activeElement?.blur();
      await this.page.refresh();
    } catch (error) {
      this.page.say(remedyOf(error));
    }
  }
}
