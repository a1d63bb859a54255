/** Who is who: cashiers and tills by their ids, as the hub knows them now. */

import { get } from "/console/client.js";
import { t } from "/console/words.js";

export class People {
  constructor() {
    /** @type {Map<string, string>} cashier_id -> name */
    this.cashiers = new Map();
    /** @type {Map<string, string>} till_id -> name */
    this.tills = new Map();
  }

  async read() {
    const [cashiers, tills] = await Promise.all([get("/v1/cashiers"), get("/v1/tills")]);
    this.cashiers = new Map(cashiers.items.map(({ cashier_id, name }) => [cashier_id, name]));
    this.tills = new Map(tills.items.map(({ till_id, name }) => [till_id, name]));
  }

  /** Return how people call a till: its name, and its id beside it. */
  till(tillId) {
    const name = this.tills.get(tillId);
    return name ? `${name} (${tillId})` : tillId;
  }

  /** Return who an actor is: somebody at a till, the machine, or another machine by its store or cloud, without its life. */
  actor(actor) {
    const [kind, id] = actor.split(/:(.*)/s);
    if (kind === "cashier") return this.cashiers.get(id) ?? id;
    if (kind === "till") return this.till(id);
    if (kind === "machine") return t("machine");
    return /^[0-9a-f]{16}$/.test(id) ? kind : actor;
  }

  /** Return a subject of the audit trail in people's words, where it is somebody; else as it is. */
  subject(subject) {
    return this.cashiers.get(subject) ?? (this.tills.has(subject) ? this.till(subject) : subject);
  }
}
