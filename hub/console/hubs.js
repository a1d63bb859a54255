/** The store's other hub: where it is, kept for the moment in which this one does not answer, and whether tills are there. */

import { get } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { t } from "/console/words.js";

const KEPT = "storehub.hubs";

export class Hubs {
  constructor() {
    this.isLive = true;
    /** @type {{items: object[]}} HubList, as it was told last */
    this.view = JSON.parse(localStorage.getItem(KEPT) ?? '{"items": []}');
  }

  async read() {
    this.update(await get("/v1/hubs"));
  }

  /** Take a `hubs` event. */
  update(view) {
    this.view = view;
    localStorage.setItem(KEPT, JSON.stringify(view));
    this.drawAgain();
  }

  /** This hub answers, or does not. */
  setLive(isLive) {
    this.isLive = isLive;
    this.drawAgain();
  }

  clear() {
    localStorage.removeItem(KEPT);
    this.view = { items: [] };
    this.drawAgain();
  }

  drawAgain() {
    const others = this.view.items.filter((hub) => !hub.is_here);
    const places = others.flatMap((hub) => hub.urls).filter((url) => /^https?:\/\//.test(url));
    const isThere = others.some((hub) => hub.is_first);
    const note = byId("other-hub");
    note.hidden = places.length === 0 || (this.isLive && !isThere);
    note.replaceChildren(
      t(this.isLive ? "tillsAreThere" : "otherHub"), ...places.flatMap((url) => [" ", h("a", { href: url }, url)]),
    );
  }
}
