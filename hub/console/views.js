/** Which page is shown, by the address's hash; the live one, `#live`, is there from the beginning. */

import { byId, h } from "/console/dom.js";
import { t } from "/console/words.js";

const LIVE = "live";

export class Views {
  /** @param {import("/console/view.js").View[]} views  in the order of the tabs, behind the live page */
  constructor(views) {
    this.views = new Map(views.map((view) => [view.name, view]));
    this.shown = LIVE;
    this.isOn = false;
    /** @type {Map<string, string>} name -> what waits there */
    this.counts = new Map();
    addEventListener("hashchange", () => this.isOn && this.#show());
  }

  /** Begin to show: the page that the address names. */
  start() {
    this.isOn = true;
    this.#show();
  }

  stop() {
    this.isOn = false;
    for (const view of this.views.values()) {
      view.shut();
      view.clear();
      view.empty();
    }
  }

  /** Something changed: whichever of these pages is looked at reads again soon. */
  poke(...names) {
    if (names.includes(this.shown)) this.views.get(this.shown).poke();
  }

  /** Show how much waits on a page, in its tab. */
  setCount(name, words) {
    this.counts.set(name, words);
    this.#drawTabs();
  }

  drawAgain() {
    this.#drawTabs();
    this.views.get(this.shown)?.drawAgain();
  }

  #show() {
    const asked = location.hash.slice(1);
    const name = this.views.has(asked) ? asked : LIVE;
    byId("view-live").hidden = name !== LIVE;
    for (const view of this.views.values()) if (view.name !== name) view.shut();
    if (name !== this.shown) scrollTo(0, 0);
    this.shown = name;
    this.views.get(name)?.open();
    this.#drawTabs();
  }

  #drawTabs() {
    byId("tabs").replaceChildren(...[LIVE, ...this.views.keys()].map((name) =>
      h("a", { href: `#${name}`, "data-tab": name, ...(name === this.shown ? { "aria-current": "page" } : {}) },
        t(`tab.${name}`), this.counts.get(name) ? h("span.waiting", this.counts.get(name)) : null)));
    byId("tabs").querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}
