/** How the shop stands to the cloud: the line, rows that wait for it, how old they are, and what to do. */

import { get } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { ago, count, moment, span } from "/console/format.js";
import { Reread } from "/console/pace.js";
import { has, t, wordsFor } from "/console/words.js";

const PACE = { everyMs: 5_000, atMostEveryMs: 1_000 }; // rows wait and age without an event
const STREAMS = ["sales", "returns", "stock", "prints", "catalogue", "levels", "footfall"]; // in the order they are sent
const CLOCK_OFF_MS = 60_000; // as the hub sees it

export class Cloud {
  /** @param {(isLineDown: boolean, sales: number) => void} onView  at each reading: the line, and how many sales wait */
  constructor(onView) {
    this.onView = onView;
    /** @type {object | null} SyncView */
    this.view = null;
    this.reread = new Reread(() => this.read(), PACE);
    /** Something was written: read again soon. */
    this.poke = this.reread.poke;
  }

  async read() {
    this.update(await get("/v1/sync"));
  }

  /** Take a `sync` event. */
  update(view) {
    this.view = view;
    this.drawAgain();
    this.onView(stateOf(view).name === "down", view.waiting.sales ?? 0);
  }

  watch() {
    this.reread.start();
  }

  stop() {
    this.reread.stop();
  }

  clear() {
    this.view = null;
  }

  drawAgain() {
    const panel = byId("panel-cloud");
    if (this.view === null) return;
    const view = this.view;
    const state = stateOf(view);
    panel.dataset.state = state.name;
    panel.dataset.waiting = String(view.rows_waiting);
    write(byId("cloud-state"), t(`line.${state.name}`));
    byId("cloud-state").className = `badge ${state.tone}`;
    write(byId("cloud-since"), state.since ?? "");
    write(byId("cloud-rows"), view.mode === "alone" ? "—" : count(view.rows_waiting));
    write(byId("cloud-oldest"), view.oldest ? ago(view.oldest) : "—");
    byId("cloud-streams").replaceChildren(...STREAMS.map((stream) => streamRows(stream, view.waiting[stream] ?? 0)));
    const note = noteOf(view, state.name);
    byId("cloud-note").dataset.tone = note.tone;
    write(byId("cloud-what"), note.what);
    write(byId("cloud-remedy"), note.remedy);
  }
}

/** A shop that the cloud asks (pull) has no line of its own; it is down when nobody asked for a while. A scheduled line rests. */
function stateOf(view) {
  const since = moment(view.since);
  if (view.mode === "alone") return view.medium?.up ? { name: "medium", tone: "good" } : { name: "alone", tone: "wait" };
  if (view.mode === "pull" && view.up) return { name: "pull", tone: "good", since: t("linePull") };
  if (view.up) return { name: "up", tone: "good", since: t("lineSince", since) };
  if (view.reason === "scheduled") {
    return { name: "scheduled", tone: "good", since: view.next_contact ? t("lineNext", moment(view.next_contact)) : "" };
  }
  if (view.reason === "starting") return { name: "starting", tone: "wait", since: t("lineSince", since) };
  const lasts = span(Date.now() - Date.parse(view.since));
  return { name: "down", tone: "bad", since: lasts ? t("lineDownFor", lasts, since) : t("lineSince", since) };
}

function noteOf(view, state) {
  if (state === "scheduled" && view.rows_waiting > 0) {
    return { tone: "", what: wordsFor("line.reason", "scheduled"), remedy: t("remedy.scheduled") };
  }
  if (view.clock_unsure) return { tone: "bad", what: t("clockUnsureWhat"), remedy: t("clockUnsureRemedy") };
  if (state === "medium") return { tone: "", what: t("mediumWhat", view.medium.to), remedy: "" };
  if (state === "alone") return { tone: "wait", what: t("aloneWhat"), remedy: t("aloneRemedy") };
  if (state === "down") {
    const key = `remedy.${view.reason}`;
    return { tone: "bad", what: wordsFor("line.reason", view.reason), remedy: has(key) ? t(key) : view.remedy || t("tryAgain") };
  }
  if (Math.abs(view.clock_offset_ms ?? 0) > CLOCK_OFF_MS) {
    return { tone: "wait", what: t("clockWhat", span(Math.abs(view.clock_offset_ms))), remedy: t("clockRemedy") };
  }
  if (view.rows_waiting > 0) return { tone: "", what: t("waitingWhat"), remedy: "" };
  return { tone: "", what: t("safeWhat"), remedy: "" };
}

function streamRows(stream, rows) {
  return h(rows ? "div.some" : "div", { "data-stream": stream }, h("dt", t(`stream.${stream}`)), h("dd", count(rows)));
}

/** Change a text only when it is another one: a screen reader says it once. */
function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
