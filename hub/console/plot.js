/** Bars by hour, drawn by uPlot. Knows no words and asks nobody; colours and font come from the page's style. */

import { h } from "/console/dom.js";
import uPlot from "/console/uPlot.js";

const LABEL_PX = 32; // between two hour labels
const LONG_LABEL_PX = 50; // from here on 09:00 instead of 09
const SCALE_PX = 44; // about what the scale on the left takes
const CEILING_MIN = 4; // a shop with one visitor does not get a bar to the roof
const INCREMENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

/**
 * @typedef {{label: string, in: number, out: number, isNow: boolean, tip: string}} Hour  label as 09:00
 */
export class HourPlot {
  /** @param {HTMLElement} box  its height stays, its width is the page's */
  constructor(box) {
    this.box = box;
    /** @type {Hour[]} */
    this.hours = [];
    this.tip = h("div.tip", { hidden: "" });
    this.plot = null;
    new ResizeObserver(() => this.#fit()).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.plot?.redraw());
  }

  /** @param {Hour[]} hours */
  draw(hours) {
    this.hours = hours;
    if (this.plot === null) this.#make();
    else this.plot?.setData(this.#data());
  }

  #data() {
    return [this.hours.map((_, at) => at), this.hours.map((hour) => hour.in), this.hours.map((hour) => hour.out)];
  }

  #make() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (width === 0) return; // not on the page yet: the observer calls again
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const bars = (align) => uPlot.paths.bars({ size: [0.36, 20, 2], align, gap: 1, radius: 0.2 });
    const axis = { font, stroke: () => colour("--soft"), ticks: { show: false } };
    this.plot = new uPlot({
      width, height, padding: [8, 4, 0, 4], legend: { show: false }, select: { show: false },
      cursor: { x: false, y: false, drag: { setScale: false, x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: false, range: () => [-0.5, this.hours.length - 0.5] },
        y: { range: (_, __, most) => [0, Math.max(CEILING_MIN, (most ?? 0) * 1.1)] },
      },
      axes: [
        { ...axis, size: 26, gap: 6, grid: { show: false }, splits: () => this.#labelled(),
          values: (_, splits) => splits.map((at) => this.#label(at)) },
        { ...axis, size: (_, values) => 16 + 7 * Math.max(1, ...(values ?? []).map((value) => value.length)), gap: 8,
          incrs: INCREMENTS, space: 34, grid: { stroke: () => colour("--line"), width: 1 },
          values: (_, splits) => splits.map(String) },
      ],
      series: [
        {},
        { paths: bars(-1), fill: () => colour("--in"), width: 0, points: { show: false } },
        { paths: bars(1), fill: () => colour("--out"), width: 0, points: { show: false } },
      ],
      hooks: {
        drawClear: [(plot) => this.#markNow(plot)],
        setCursor: [(plot) => this.#showTip(plot)],
      },
    }, this.#data(), this.box);
    this.plot.over.append(this.tip);
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (this.plot === null) {
      if (this.hours.length > 0) this.#make();
    } else if (width > 0 && (width !== this.plot.width || height !== this.plot.height)) {
      this.plot.setSize({ width, height });
    }
  }

  #slotPx() {
    return (this.box.clientWidth - SCALE_PX) / this.hours.length;
  }

  #labelled() {
    const step = [1, 2, 3, 4, 6].find((hours) => hours * this.#slotPx() >= LABEL_PX) ?? 12;
    return this.hours.map((_, at) => at).filter((at) => at % step === 0);
  }

  #label(at) {
    const { label } = this.hours[at];
    return this.#slotPx() >= LONG_LABEL_PX ? label : label.slice(0, 2);
  }

  /** A quiet band behind the hour that has not ended. */
  #markNow(plot) {
    const at = this.hours.findIndex((hour) => hour.isNow);
    if (at < 0) return;
    const left = plot.valToPos(at - 0.5, "x", true);
    const width = plot.valToPos(at + 0.5, "x", true) - left;
    plot.ctx.save();
    plot.ctx.fillStyle = colour("--now");
    plot.ctx.fillRect(left, plot.bbox.top, width, plot.bbox.height);
    plot.ctx.restore();
  }

  #showTip(plot) {
    const at = plot.cursor.idx;
    const hour = plot.cursor.left >= 0 && at !== null && at !== undefined ? this.hours[at] : undefined;
    this.tip.hidden = hour === undefined;
    if (hour === undefined) return;
    this.tip.textContent = hour.tip;
    const half = this.tip.offsetWidth / 2;
    const centre = plot.valToPos(at, "x");
    this.tip.style.left = `${Math.round(Math.min(Math.max(centre, half), plot.over.clientWidth - half) - half)}px`;
  }
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}
