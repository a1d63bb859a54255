/** How long visitors stayed where, on a day: by zone, and hour by hour. Beacons say it; a day without any says so. */

import { get } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { count, stay } from "/console/format.js";
import { View, figuresTable } from "/console/view.js";
import { t } from "/console/words.js";

export class Zones extends View {
  constructor() {
    super("zones");
    /** @type {object | null} DwellDay */
    this.day = null;
    this.picked = ""; // a date; "": today's, whichever day it is
    byId("zones-date").onchange = ({ target }) => {
      this.picked = target.value;
      this.refresh();
    };
  }

  async read() {
    this.day = await get(`/v1/insights/dwells${this.picked ? `?date=${encodeURIComponent(this.picked)}` : ""}`);
  }

  clear() {
    this.day = null;
    this.picked = "";
  }

  drawAgain() {
    if (this.day === null) return;
    const { zones, hours } = this.day;
    byId("zones-date").value = this.day.date;
    const visited = zones.filter(({ visitors }) => visitors > 0);
    this.fill("zones-sums", visited.length
      ? figuresTable(t("zonesTitle"), [t("zone"), t("zoneVisits"), t("zoneMedian"), t("zoneMean"), t("zoneVisitors")],
        visited.map((each) => [each.zone, count(each.visits), stay(each.median_s), stay(each.mean_s), count(each.visitors)]))
      : h("p.empty", t("zonesNone")));
    this.fill("zones-hours", visited.length ? byHour(visited, hours) : h("p.empty", t("zonesNone")));
  }
}

/** One row an hour, one column a zone: visits that ended in it, and what half of them stayed at most. */
function byHour(zones, hours) {
  const rows = new Map();
  for (const each of hours) rows.set(each.hour, (rows.get(each.hour) ?? new Map()).set(each.zone, each));
  return figuresTable(t("zonesHours"), [t("visitorsHour"), ...zones.map(({ zone }) => zone)],
    [...rows].map(([hour, found]) => [hour.slice(11, 16), ...zones.map(({ zone }) => cell(found.get(zone)))]));
}

function cell(found) {
  if (!found) return "—";
  if (!found.visits) return t("zoneThere", count(found.visitors));
  return `${count(found.visits)} · ${stay(found.median_s)}`;
}
