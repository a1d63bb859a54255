/** A page beside the live one: reads when it is opened, again while somebody looks, and keeps what is open and typed. */

import { HubError } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { currentLanguage } from "/console/language.js";
import { Reread } from "/console/pace.js";
import { t } from "/console/words.js";

const SHORT = 26; // what stays on one line
const ID_SHOWN = 8; // of an id that a machine made
const MACHINE_MADE = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
const PACE = { everyMs: 30_000, atMostEveryMs: 3_000 }; // ages go on without an event

export class View {
  /** @param {string} name  of `#view-NAME` */
  constructor(name) {
    this.name = name;
    this.section = byId(`view-${name}`);
    this.isOpen = false;
    /** @type {Set<string>} ids of places that were filled */
    this.filled = new Set();
    this.reread = new Reread(() => (this.#isTypedIn() ? Promise.resolve() : this.refresh()), PACE);
    /** What it shows may have changed: read again soon. */
    this.poke = this.reread.poke;
  }

  open() {
    this.isOpen = true;
    this.section.hidden = false;
    this.reread.start();
    this.refresh();
  }

  shut() {
    this.isOpen = false;
    this.section.hidden = true;
    this.reread.stop();
  }

  /** Read and draw; what cannot be read is said, and what was shown stays. */
  async refresh() {
    try {
      await this.read();
      this.say("");
    } catch (error) {
      this.say(remedyOf(error));
    }
    this.drawAgain();
  }

  /** Say something above the page; the empty string takes it away. */
  say(message) {
    const notice = this.section.querySelector(".notice");
    notice.textContent = message;
    notice.hidden = !message;
  }

  /** Put parts into a place of the page; a `details` that was open stays open. */
  fill(id, ...parts) {
    this.filled.add(id);
    const place = byId(id);
    const open = new Set([...place.querySelectorAll("details[open]")].map((each) => each.dataset.key));
    place.replaceChildren(...parts.flat().filter((part) => part !== null));
    for (const each of place.querySelectorAll("details")) if (open.has(each.dataset.key)) each.open = true;
  }

  /** Take everything off the screen that was put into its places. */
  empty() {
    for (const id of this.filled) byId(id).replaceChildren();
    this.say("");
  }

  #isTypedIn() {
    const at = document.activeElement;
    return this.section.contains(at) && at.matches("textarea, input:not([type=search])");
  }
}

/** Return what a person is told of an error of the hub; any other is a fault of this program, and stays one. */
export function remedyOf(error) {
  if (!(error instanceof HubError)) throw error;
  return error.problem?.remedy?.[currentLanguage()] ?? t("hubAway");
}

/** Return an id as an element: all of one that people gave, the end of one that a machine made. */
export function idOf(id) {
  if (!MACHINE_MADE.test(id)) return h("span.code", id);
  return h("span.code", { title: id }, `…${id.slice(-ID_SHOWN)}`);
}

/** Return rows as the list that all pages have, or the words for none. */
export function rowsOf(rows, none) {
  return rows.length ? h("ol.rows.tall", rows) : h("p.empty", t(none));
}

/** Return pairs of words and values; pairs without a value are left out. */
export function facts(pairs) {
  return h("dl.facts", pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([word, value]) => h("div", h("dt", word), h(String(value).length > SHORT ? "dd" : "dd.short", value))));
}

/** Return a small table of figures: heads, then rows; the first column is words. */
export function figuresTable(caption, heads, rows) {
  return h("table.figures-table", h("caption.unseen", caption),
    h("thead", h("tr", heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", rows.map(([first, ...rest]) =>
      h("tr", h("th", { scope: "row" }, first), rest.map((value) => h("td", value))))));
}
