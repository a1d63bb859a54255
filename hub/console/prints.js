/** The print ledger: state of each job, and the two verbs. *Retry* is the same job, *reprint* is a marked copy. */

import { get, post } from "/console/client.js";
import { Rows, h } from "/console/dom.js";
import { clock } from "/console/format.js";
import { currentLanguage } from "/console/language.js";
import { t, wordsFor } from "/console/words.js";

const FIRST_READ = 20;
const TONE = { printed: "good", failed: "bad", unknown: "bad", queued: "wait", printing: "wait" };

export class Prints {
  /** @param {HTMLElement} list @param {import("/console/receipts.js").Receipts} receipts @param {(message: string) => void} say */
  constructor(list, receipts, say) {
    this.say = say;
    this.receipts = receipts;
    this.rows = new Rows(list, (job) => this.#row(job));
    receipts.listen((saleId) => this.#redrawJobsOf(saleId));
  }

  async read() {
    const { items } = await get(`/v1/print?limit=${FIRST_READ}`);
    for (const job of items.reverse()) this.put(job);
  }

  /** Take a job as the ledger has it; an older state than the one shown changes nothing. */
  put(job) {
    const shown = this.rows.get(job.job_id);
    if (shown && shown.changed_ms > job.changed_ms) return;
    this.rows.put(job.job_id, job);
  }

  drawAgain() {
    this.rows.redrawAll();
  }

  clear() {
    this.rows.clear();
  }

  #redrawJobsOf(saleId) {
    for (const job of this.rows.values()) if (job.sale_id === saleId) this.rows.redraw(job.job_id);
  }

  #row(job) {
    const name = job.sale_id ? this.receipts.number(job.sale_id) ?? job.job_id.slice(-12) : t("document");
    const button = this.#button(job, name);
    return h("li.job", { "data-job": job.job_id, "data-state": job.state },
      h("div.what", h("div.code", name),
        h("div.sub", h("time", clock(job.changed_ms)), h("span", job.printer_id),
          job.instead_of && h("span.mark", t("instead_of", job.instead_of)),
          job.mark && h("span.mark", wordsFor("mark", job.mark)),
          job.reason && h("span", wordsFor("reason", job.reason)),
          job.attempts > 1 && h("span", t("attempts", job.attempts)))),
      h(`span.badge.${TONE[job.state]}`, wordsFor("state", job.state)), button);
  }

  #button(job, name) {
    const id = encodeURIComponent(job.job_id);
    if (job.state === "failed" || job.state === "unknown") {
      return this.#verb("retry", name, () => post(`/v1/print/${id}/retry`));
    }
    if (job.state !== "printed") return null;
    const copyId = `copy:${crypto.randomUUID()}`; // one id a button: a second press after a lost answer is no second copy
    return this.#verb("reprint", name, () => post(`/v1/print/${id}/reprint`, { copy_id: copyId }), () => {
      this.rows.redraw(job.job_id);
    });
  }

  #verb(word, name, ask, after = () => {}) {
    const button = h("button", { type: "button", "aria-label": t(`${word}Of`, name) }, t(word));
    button.onclick = async () => {
      button.disabled = true;
      try {
        this.put(await ask());
        this.say("");
        after();
      } catch (error) {
        this.say(error.problem?.remedy?.[currentLanguage()] ?? t("hubAway"));
        button.disabled = false;
      }
    };
    return button;
  }
}
