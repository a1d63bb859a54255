/** Stock on paper: what head office asks for, transfers that wait for something, and documents and counts on which something was noted. */

import { get } from "/console/client.js";
import { h } from "/console/dom.js";
import { ago, count, moment } from "/console/format.js";
import { Requests } from "/console/requests.js";
import { View, facts, figuresTable, idOf, rowsOf } from "/console/view.js";
import { named, t, wordsFor } from "/console/words.js";

const SHOWN = 50;
const TONE = { on_the_road: "wait", partly_here: "wait", differs: "bad" };

export class Stock extends View {
  /** @param {import("/console/products.js").Catalogue} catalogue @param {import("/console/people.js").People} people */
  constructor(catalogue, people) {
    super("stock");
    this.catalogue = catalogue;
    this.people = people;
    this.requests = new Requests(this);
    /** @type {object | null} */
    this.found = null;
    /** @type {Map<string, object>} document_id -> DocumentView, read when somebody opens it */
    this.documents = new Map();
  }

  async read() {
    const [transfers, documents, held, asked] = await Promise.all([
      get("/v1/stock/transfers"), get(`/v1/stock/documents?limit=${SHOWN}`), get("/v1/reservations"), this.requests.read(),
      this.people.read(),
    ]);
    this.found = { transfers: transfers.items, documents: documents.items, held: held.items };
    const skus = new Set([
      ...asked,
      ...transfers.items.flatMap(({ lines }) => lines.map(({ sku }) => sku)),
      ...documents.items.flatMap(({ flags = [] }) => flags.map(({ sku }) => sku)),
      ...held.items.flatMap(({ lines }) => lines.map(({ sku }) => sku)),
    ]);
    await Promise.all([...skus].filter(Boolean).map((sku) => this.catalogue.item(sku)));
  }

  clear() {
    this.found = null;
    this.requests.clear();
    this.documents.clear();
  }

  drawAgain() {
    if (this.found === null) return;
    this.requests.drawAgain();
    this.fill("stock-transfers", rowsOf(this.found.transfers.map((each) => this.#transfer(each)), "transfersNone"));
    this.fill("stock-documents", rowsOf(
      this.found.documents.toSorted((one, other) => Date.parse(other.committed_at) - Date.parse(one.committed_at))
        .map((each) => this.#document(each)), "documentsNone"));
    this.fill("stock-held", rowsOf(this.found.held.map((each) => this.#reservation(each)), "heldNone"));
  }

  #transfer(transfer) {
    const isOut = transfer.direction === "out";
    return h("li", { "data-transfer": transfer.transfer_id }, h("details", { "data-key": transfer.transfer_id },
      h("summary",
        h("div.top", h("span", t(isOut ? "transferTo" : "transferFrom", isOut ? transfer.receiver : transfer.sender)),
          h(`span.badge.${TONE[transfer.state]}`, wordsFor("transfer", transfer.state))),
        h("div.sub", idOf(transfer.transfer_id), h("span", transfer.sent_at ? ago(transfer.sent_at) : t("transferUnsent")),
          h("span", t("linesOf", count(transfer.lines.length))))),
      figuresTable(t("transferLines"), [t("goods"), t("transferSent"), t("transferCame")],
        transfer.lines.map(({ sku, sent, came }) => [this.goods(sku), sent === null ? "?" : count(sent), count(came)])),
      transfer.flags.map((flag) => h("p.warn", this.#flag(flag)))));
  }

  #document({ document_id, committed_at, flags = [] }) {
    const view = this.documents.get(document_id);
    const opened = h("details", { "data-key": document_id },
      h("summary",
        h("div.top", h("span", flags.map((flag) => this.#flag(flag)).join(" · ")),
          h("time.hint", committed_at ? moment(committed_at) : "")),
        h("div.sub", idOf(document_id))),
      view ? this.#said(view) : h("p.hint", "…"));
    opened.ontoggle = () => opened.open && !this.documents.has(document_id) && this.#read(document_id);
    return h("li", { "data-document": document_id }, opened);
  }

  async #read(documentId) {
    const view = await get(`/v1/stock/documents/${encodeURIComponent(documentId)}`).catch(() => null);
    if (view === null) return;
    this.documents.set(documentId, view);
    await Promise.all((view.said.lines ?? []).map(({ sku }) => this.catalogue.item(sku)));
    this.drawAgain();
  }

  #said({ said, booked }) {
    const lines = said.lines ?? [];
    const moved = new Map((booked.stock ?? []).map(([sku, , qty]) => [sku, qty]));
    return h("div",
      facts([
        [t("documentKind"), wordsFor("document", said.reason)],
        [t("documentReference"), said.reference],
        [t("documentBy"), said.by ? this.people.subject(said.by) : ""],
        [t("documentNote"), said.note],
      ]),
      lines.length ? figuresTable(t("transferLines"), [t("goods"), t("documentQty"), t("documentExpected"), t("documentMoved")],
        lines.map(({ sku, qty, expected }) =>
          [this.goods(sku), count(qty), expected === undefined ? "—" : count(expected), signed(moved.get(sku) ?? 0)])) : null,
      (booked.flags ?? []).map((flag) => h("p.warn", this.#flag(flag))));
  }

  #reservation({ reservation_id, lines, till_id, left_s, member_id }) {
    return h("li", { "data-reservation": reservation_id },
      h("div.top", h("span", lines.map(({ sku, qty }) => `${count(qty)} × ${this.goods(sku)}`).join(", ")),
        h("span.hint", t("heldFor", Math.ceil(left_s / 60)))),
      h("div.sub", h("span", this.people.till(till_id)), member_id && idOf(member_id)));
  }

  #flag({ code, sku, detail }) {
    const words = wordsFor("flag", code);
    return sku ? `${words}: ${this.goods(sku)}` : detail && words === code ? `${code} ${detail}` : words;
  }

  /** What a person calls goods. */
  goods(sku) {
    return named(this.catalogue.known(sku)?.name) || sku;
  }
}

/** A quantity that moved, with its sign. */
function signed(qty) {
  return qty > 0 ? `+${count(qty)}` : count(qty).replace("-", "−");
}
