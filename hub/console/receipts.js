/** Receipt numbers behind sale ids: what events brought, and what was asked for. */

import { get } from "/console/client.js";

const NUMBERS_MAX = 500; // remembered; when full all are forgotten and asked for again

export class Receipts {
  constructor() {
    /** @type {Map<string, string | null>} sale_id -> receipt_no, null while it is asked for */
    this.numbers = new Map();
    /** @type {((saleId: string) => void)[]} */
    this.listeners = [];
  }

  /** Call `listener` with a sale's id when its number becomes known. */
  listen(listener) {
    this.listeners.push(listener);
  }

  /** Return a sale's receipt number, or null and ask for it. */
  number(saleId) {
    if (!this.numbers.has(saleId)) this.#ask(saleId);
    return this.numbers.get(saleId) ?? null;
  }

  put(saleId, receiptNo) {
    if (this.numbers.size >= NUMBERS_MAX) this.numbers.clear();
    this.numbers.set(saleId, receiptNo);
    for (const listener of this.listeners) listener(saleId);
  }

  async #ask(saleId) {
    this.numbers.set(saleId, null);
    try {
      this.put(saleId, (await get(`/v1/sales/${encodeURIComponent(saleId)}`)).fact.receipt_no);
    } catch {
      this.numbers.delete(saleId); // who shows it keeps the id; asked again at the next drawing
    }
  }
}
