/** Visitors of the business day: the plot by hour, the same as a table for screen readers, and the sums by entrance. */

import { get } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { count } from "/console/format.js";
import { Reread } from "/console/pace.js";
import { HourPlot } from "/console/plot.js";
import { t } from "/console/words.js";

const PACE = { everyMs: 60_000, atMostEveryMs: 2_000 }; // the hour and the day go on without visitors
const HOUR_MS = 3_600_000;
const SHOWN = ["09:00", "21:00"]; // at least: what a shop is open; visitors at other hours widen it

export class Visitors {
  /** @param {(day: {in: number, out: number} | null) => void} onDay  null: nobody counts here */
  constructor(onDay) {
    this.onDay = onDay;
    this.plot = new HourPlot(byId("visitors-plot"));
    /** @type {object | null} FootfallDay; null: not read yet, or this hub has none */
    this.day = null;
    this.hasCounters = false;
    this.reread = new Reread(() => this.read(), PACE);
    /** Visitors were counted: read again soon. */
    this.poke = this.reread.poke;
  }

  async read() {
    try {
      this.day = await get("/v1/insights/footfall");
    } catch (error) {
      if (error.status !== 404) throw error;
      this.day = null;
    }
    this.drawAgain();
  }

  /** Whether the configuration has people counters; a day that was counted says so as well. */
  setHasCounters(hasCounters) {
    if (hasCounters === this.hasCounters) return;
    this.hasCounters = hasCounters;
    this.drawAgain();
  }

  watch() {
    this.reread.start();
  }

  stop() {
    this.reread.stop();
  }

  clear() {
    this.day = null;
  }

  drawAgain() {
    const { day } = this;
    const isCounted = day !== null && (this.hasCounters || day.entrances.length > 0);
    byId("panel-visitors").dataset.state = isCounted ? "counted" : "none";
    byId("visitors-none").hidden = isCounted;
    byId("visitors-day").hidden = !isCounted;
    this.onDay(isCounted ? day : null);
    if (!isCounted) return;
    const hours = shownHours(day, Date.now());
    this.plot.draw(hours);
    byId("visitors-in").textContent = count(day.in);
    byId("visitors-out").textContent = count(day.out);
    byId("visitors-entrances").replaceChildren(...(day.entrances.length > 1 ? day.entrances.map(entrance) : []));
    byId("visitors-hours").replaceChildren(...hours.map((hour) =>
      h("tr", { "data-hour": hour.label, ...(hour.isNow ? { "aria-current": "time" } : {}) },
        h("th", { scope: "row" }, hour.label), h("td", count(hour.in)), h("td", count(hour.out)))));
  }
}

function entrance(each) {
  return h("span", { "data-entrance": each.entrance }, `${each.entrance} ${count(each.in)} / ${count(each.out)}`);
}

/** Return the hours to draw: opening hours, widened by visitors and by the hour of now. Labels are the store's own clock. */
function shownHours(day, nowMs) {
  const hours = day.hours.map((hour) => {
    const begun = Date.parse(hour.hour);
    const [label, until] = [hour.hour.slice(11, 16), `${hour.hour.slice(11, 14)}59`];
    const isNow = begun <= nowMs && nowMs < begun + HOUR_MS;
    const isOpen = hour.hour.startsWith(day.date) && label >= SHOWN[0] && label <= SHOWN[1];
    return { label, in: hour.in, out: hour.out, isNow, isShown: isOpen || isNow || hour.in > 0 || hour.out > 0,
      tip: t("visitorsTip", label, until, count(hour.in), count(hour.out)) };
  });
  const first = hours.findIndex((hour) => hour.isShown);
  const last = hours.findLastIndex((hour) => hour.isShown);
  return hours.slice(first, last + 1);
}
