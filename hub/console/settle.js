/** The manager's list: what waits for a person, each line with its remedy, its notes, and closing it where a person may. */

import { get, post } from "/console/client.js";
import { h } from "/console/dom.js";
import { count, moment, span } from "/console/format.js";
import { Seconds } from "/console/seconds.js";
import { View, remedyOf, rowsOf } from "/console/view.js";
import { named, t } from "/console/words.js";

const SHOWN = 200;
const ALONE = new Set(["overdrawn", "at_risk", "unread"]); // nobody need do anything while the line is up

export class Settle extends View {
  /**
   * @param {import("/console/people.js").People} people @param {import("/console/products.js").Catalogue} catalogue
   * @param {(waiting: number, isMore: boolean) => void} onCount  how many a person must look at
   */
  constructor(people, catalogue, onCount) {
    super("settle");
    this.catalogue = catalogue;
    this.people = people;
    this.seconds = new Seconds(catalogue, people);
    this.onCount = onCount;
    /** @type {object[] | null} */
    this.lines = null;
    this.isMore = false;
    /** @type {Map<string, object[]>} id -> notes, read when somebody opens the line */
    this.notes = new Map();
  }

  async read() {
    const [page] = await Promise.all([get(`/v1/attention?limit=${SHOWN}`), this.isOpen ? this.people.read() : null]);
    this.lines = page.items;
    this.isMore = Boolean(page.next);
    this.onCount(page.items.filter(({ kind }) => !ALONE.has(kind)).length, this.isMore);
    if (!this.isOpen) return;
    if (page.items.some(isSecond)) await this.seconds.read();
    await Promise.all(page.items.map((line) => skuOf(line)).filter(Boolean).map((sku) => this.catalogue.item(sku)));
  }

  clear() {
    this.lines = null;
    this.notes.clear();
    this.onCount(0, false);
  }

  drawAgain() {
    if (this.lines === null) return;
    const parts = [["settleYours", this.lines.filter(({ kind }) => !ALONE.has(kind))],
      ["settleAlone", this.lines.filter(({ kind }) => ALONE.has(kind))]];
    this.fill("settle", parts.filter(([word, lines]) => lines.length || word === "settleYours").flatMap(([word, lines]) => [
      h("h3", `${t(word)} · ${count(lines.length)}`), rowsOf(lines.map((line) => this.#line(line)), "settleNone"),
    ]), this.isMore ? h("p.hint", t("settleMore", SHOWN)) : null);
  }

  #line(line) {
    const notes = this.notes.get(line.id);
    const opened = h("details", { "data-key": line.id },
      h("summary",
        h("div.top", h("span", named(line.title)),
          line.age_s === null ? null : h("span.hint", span(line.age_s * 1000) || t("justNow"))),
        h("div.sub", h("span", this.#about(line)), h("span", named(line.said)),
          line.owner && h("span", this.people.subject(line.owner)))),
      h("p.remedy", named(line.remedy)), skuOf(line) ? h("p.hint.code", line.key) : null,
      isSecond(line) ? this.seconds.compared(line) : null,
      notes?.length ? h("ol.notes", notes.map((note) =>
        h("li", h("span", note.text), h("span.hint", `${this.people.subject(note.by)}, ${moment(note.noted_at)}`)))) : null,
      this.#form(line));
    opened.ontoggle = () => opened.open && !this.notes.has(line.id) && this.#read(line.id);
    return h("li", { "data-line": line.id, "data-kind": line.kind }, opened);
  }

  #about(line) {
    const sku = skuOf(line);
    if (isSecond(line)) return line.key.split(" ")[0];
    return sku ? named(this.catalogue.known(sku)?.name) || sku : line.key;
  }

  async #read(id) {
    const view = await get(path(id)).catch(() => null);
    if (view === null) return;
    this.notes.set(id, view.notes);
    if (view.notes.length) this.drawAgain();
  }

  #form(line) {
    const note_id = crypto.randomUUID(); // one id a form: pressed again after a lost answer it is one note
    const text = h("textarea", { rows: "2", maxlength: "500", "aria-label": t("settleNote"), placeholder: t("settleNote") });
    const save = h("button", { type: "submit", value: "note" }, t("settleSave"));
    const form = h("form.note-form", text, h("div.buttons", save, answers(line)));
    form.onsubmit = (submit) => {
      submit.preventDefault();
      const answer = submit.submitter?.value;
      if (answer === "book") this.#do(() => this.seconds.book(line), text);
      else if (!text.value.trim()) this.#askFor(text);
      else if (answer === "discard") this.#do(() => this.seconds.discard(line, text.value.trim()), text);
      else this.#do(() => this.#write(line.id, { note_id, text: text.value.trim(), close: answer === "close" }), text);
    };
    return form;
  }

  #askFor(text) {
    text.focus();
    this.say(t("settleSaySomething"));
  }

  async #write(id, note) {
    this.notes.set(id, (await post(`${path(id)}/notes`, note)).notes);
  }

  async #do(act, text) {
    try {
      await act();
      text.blur();
      await this.refresh();
    } catch (error) {
      this.say(remedyOf(error));
    }
  }
}

/** What a person may answer to a line beside noting something. */
function answers(line) {
  const button = (value, word) => h("button.primary", { type: "submit", value }, t(word));
  if (isSecond(line)) return [button("book", "secondBook"), h("button", { type: "submit", value: "discard" }, t("secondDiscard"))];
  return line.closes === "person" ? button("close", "settleClose") : h("span.hint", t("settleItself"));
}

function isSecond({ kind }) {
  return kind === "suspended";
}

/** The SKU that a line is about, where it is about one. */
function skuOf({ kind, key }) {
  return kind === "overdrawn" ? key.slice(0, key.lastIndexOf(" ")) : "";
}

function path(id) {
  return `/v1/attention/${encodeURIComponent(id)}`;
}
