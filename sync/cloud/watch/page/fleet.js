/** The fleet's page: asks the cloud every few seconds, shows a line a store; search, filter and order stay while it is refreshed. */

import { changeLanguage, currentLanguage } from "/fleet/language.js";
import { w } from "/fleet/words.js";

const TOKEN = "storehub.office";
const EVERY_MS = 5000;
const CLOCK_OFF_MS = 60_000;
const BEHIND_MS = 15 * 60_000;
const SHOWN_MAX = 300; // lines in the page at once: a search finds the others
const COLUMNS = ["store", "state", "contact", "behind", "clock", "copies", "disputes", "overdraws", "exposure", "differences", "software"];
const STATES = ["never", "down", "shut", "resting", "up"];
const FILTERS = ["all", "trouble", "state.down", "state.never", "state.shut", "state.resting", "state.up", "oneCopy"];
const byId = (id) => document.getElementById(id);
const view = { fleet: null, order: "state", isDown: false, filter: "all", search: "", isAway: false };

function h(tag, attributes, ...parts) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...parts);
  return element;
}

async function ask(path, body) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(TOKEN)}` };
  const change = body ? { method: "POST", body: JSON.stringify(body), headers: { ...headers, "Content-Type": "application/json" } } : { headers };
  return fetch(path, { ...change, signal: AbortSignal.timeout(15_000) });
}

const number = (value) => new Intl.NumberFormat(currentLanguage()).format(value);

function ago(ms) {
  const [unit, length] = [["day", 864e5], ["hour", 36e5], ["minute", 6e4]].find(([, each]) => ms >= each) ?? ["second", 1000];
  const count = Math.max(0, Math.floor(ms / length));
  return new Intl.NumberFormat(currentLanguage(), { style: "unit", unit, unitDisplay: "short" }).format(count);
}

const behindMs = (store) => (store.behind_since_ms ? view.fleet.now_ms - store.behind_since_ms : 0);

/** What a column is ordered by: the larger, the more somebody should look. */
function weight(store, column) {
  switch (column) {
    case "store": return store.store;
    case "software": return store.software;
    case "state": return STATES.indexOf(store.state);
    case "contact": return store.last_contact_ms ?? 0;
    case "behind": return behindMs(store) * 1e6 + (store.rows_behind ?? 0);
    case "clock": return Math.abs(store.clock_offset_ms ?? 0);
    case "copies": return store.copies ?? 99;
    case "exposure": return store.pieces_owed * 1e9 + (store.exposure?.amount ?? 0) + (store.exposure?.points ?? 0);
    default: return store[column];
  }
}

function isTroubled(store) {
  return store.state === "down" || store.state === "never" || behindMs(store) > BEHIND_MS || store.disputes > 0
    || store.differences > 0 || store.lives_open > 0 || store.clock_unsure || Math.abs(store.clock_offset_ms ?? 0) > CLOCK_OFF_MS;
}

function passes(store) {
  const wanted = view.search.trim().toLowerCase();
  if (wanted && !`${store.store} ${store.software} ${store.rep ?? ""}`.toLowerCase().includes(wanted)) return false;
  if (view.filter === "trouble") return isTroubled(store);
  if (view.filter === "oneCopy") return store.copies === 1;
  return view.filter === "all" || view.filter === `state.${store.state}`;
}

function cell(column, text, attributes = {}) {
  return h("td", { "data-label": w(column), ...attributes }, text);
}

function marked(column, value, kind) {
  return cell(column, number(value), value ? { class: kind } : {});
}

/** Minor units as people write them. */
function money(amount, currency) {
  const how = new Intl.NumberFormat(currentLanguage(), { style: "currency", currency });
  return how.format(amount / 10 ** how.resolvedOptions().maximumFractionDigits);
}

/** What a store has accepted without a right: coupons, points, goods; those alone that there are. */
function exposed({ exposure, pieces_owed: pieces }) {
  const parts = [];
  if (exposure?.coupons) parts.push(w("coupons", number(exposure.coupons), money(exposure.amount, exposure.currency)));
  if (exposure?.points) parts.push(w("points", number(exposure.points)));
  if (pieces) parts.push(w("pieces", number(pieces)));
  return parts.length ? cell("exposure", parts.join(" · "), { class: "several warn" }) : cell("exposure", exposure ? "0" : w("unknown"));
}

function line(store) {
  const now = view.fleet.now_ms, off = store.clock_offset_ms;
  const behind = store.rows_behind === null ? w("unknown")
    : store.rows_behind ? `${w("rows", number(store.rows_behind))}${store.behind_since_ms ? ` · ${ago(behindMs(store))}` : ""}` : "0";
  const clock = store.clock_unsure ? w("unsure") : off === null ? w("unknown") : `${off > 0 ? "+" : ""}${number(Math.round(off / 1000))} s`;
  const copies = store.copies === null ? w("unknown") : store.copies === 1 ? w("oneCopy") : w("twoCopies", store.copies);
  const acts = [h("button", { type: "button", onclick: () => begin("revoke", store) }, w("revoke"))];
  if (store.rep) acts.push(h("button", { type: "button", onclick: () => begin("seal", store) }, w("sealed")));
  return h("tr", { "data-store": store.store },
    cell("store", store.store, { class: "name" }),
    cell("state", w(`state.${store.state}`), { "data-state": store.state }),
    cell("contact", store.last_contact_ms === null ? w("unknown") : ago(now - store.last_contact_ms)),
    cell("behind", behind, behindMs(store) > BEHIND_MS ? { class: "fault" } : {}),
    cell("clock", clock, store.clock_unsure || Math.abs(off ?? 0) > CLOCK_OFF_MS ? { class: "fault" } : {}),
    cell("copies", copies, store.copies === 1 ? { class: "warn" } : {}),
    marked("disputes", store.disputes, "warn"), marked("overdraws", store.overdraws, "warn"),
    exposed(store), marked("differences", store.differences, "fault"),
    cell("software", store.software || w("unknown")),
    h("td", { class: "acts", "data-label": w("act") }, ...acts));
}

function drawSums(items) {
  const sums = [["state.up", (each) => each.state === "up"], ["state.resting", (each) => each.state === "resting"],
    ["state.down", (each) => each.state === "down"], ["state.shut", (each) => each.state === "shut"], ["state.never", (each) => each.state === "never"],
    ["trouble", isTroubled], ["oneCopy", (each) => each.copies === 1]];
  byId("sums").replaceChildren(...sums.map(([key, is]) => h("li", {}, h("b", {}, number(items.filter(is).length)), w(key))));
}

function draw() {
  for (const element of document.querySelectorAll("[data-w]")) element.textContent = w(element.dataset.w);
  document.documentElement.lang = currentLanguage();
  document.title = w("title");
  byId("language").textContent = w("otherLanguage");
  byId("search").placeholder = w("search");
  byId("search").setAttribute("aria-label", w("search"));
  const isIn = view.fleet !== null;
  byId("enter").hidden = isIn || Boolean(sessionStorage.getItem(TOKEN));
  byId("fleet").hidden = !isIn;
  byId("forget").hidden = !sessionStorage.getItem(TOKEN);
  const at = isIn ? w("asked", new Date(view.fleet.now_ms).toLocaleTimeString(currentLanguage())) : "";
  byId("asked").textContent = view.isAway ? w("away") : at;
  if (!isIn) return;
  options("filter", FILTERS, view.filter, (key) => w(key));
  options("order", COLUMNS, view.order, (key) => w("sort", w(key)));
  byId("heads").replaceChildren(...COLUMNS.map(head), h("th", {}, w("act")));
  const { items } = view.fleet;
  drawSums(items);
  const found = items.filter(passes);
  found.sort((one, other) => {
    const [a, b] = [weight(one, view.order), weight(other, view.order)];
    const by = a < b ? -1 : a > b ? 1 : one.store < other.store ? -1 : 1;
    return view.isDown ? -by : by;
  });
  byId("found").textContent = found.length ? w("found", number(Math.min(SHOWN_MAX, found.length)), number(items.length)) : w("none");
  byId("rows").replaceChildren(...found.slice(0, SHOWN_MAX).map(line));
}

function head(column) {
  const sorted = view.order === column ? { "aria-sort": view.isDown ? "descending" : "ascending" } : {};
  return h("th", { scope: "col", ...sorted }, h("button", { type: "button", onclick: () => orderBy(column) }, w(column)));
}

function orderBy(column) {
  view.isDown = view.order === column ? !view.isDown : !["store", "state", "software", "contact", "copies"].includes(column);
  view.order = column;
  draw();
}

function options(id, keys, chosen, name) {
  byId(id).setAttribute("aria-label", name(chosen));
  byId(id).replaceChildren(...keys.map((key) => h("option", { value: key, ...(key === chosen ? { selected: "" } : {}) }, name(key))));
}

async function refresh() {
  if (!sessionStorage.getItem(TOKEN)) return draw();
  try {
    const answer = await ask("/cloud/v1/fleet");
    if (answer.status === 401 || answer.status === 403) {
      sessionStorage.removeItem(TOKEN);
      view.fleet = null;
      byId("refused").textContent = w("refusedToken");
    } else {
      view.fleet = await answer.json();
      view.isAway = false;
    }
  } catch {
    view.isAway = true;
  }
  draw();
}

function begin(what, store) {
  const isSeal = what === "seal";
  byId("act-title").textContent = w(isSeal ? "sealTitle" : "revokeTitle", store.store);
  byId("act-what").textContent = w(isSeal ? "sealWhat" : store.is_asked ? "revokeAsked" : "revokeWhat", store.store, store.rep ?? "");
  byId("act-type").textContent = w("typeName", store.store);
  byId("act-yes").textContent = w(isSeal ? "seal" : "shut");
  for (const id of ["act-why", "act-name"]) byId(id).value = "";
  byId("act-said").textContent = "";
  const check = () => { byId("act-yes").disabled = byId("act-name").value !== store.store || !byId("act-why").value.trim(); };
  byId("act-why").oninput = byId("act-name").oninput = check;
  check();
  byId("act-yes").onclick = async () => {
    byId("act-yes").disabled = true;
    const why = byId("act-why").value.trim();
    try {
      const answer = isSeal ? await ask("/cloud/v1/seals", { rep: store.rep, why })
        : await ask(`/cloud/v1/stores/${encodeURIComponent(store.store)}/revoke`, { why });
      if (!answer.ok) throw new Error((await answer.json()).title);
      byId("act").close();
      await refresh();
    } catch (error) {
      byId("act-said").textContent = w("failed", error.message);
      check();
    }
  };
  byId("act").showModal();
}

byId("act-no").onclick = () => byId("act").close();
byId("language").onclick = () => { changeLanguage(); draw(); };
byId("forget").onclick = () => { sessionStorage.removeItem(TOKEN); view.fleet = null; draw(); };
byId("enter").onsubmit = (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, byId("token").value.trim());
  byId("token").value = byId("refused").textContent = "";
  refresh();
};
byId("search").oninput = () => { view.search = byId("search").value; draw(); };
byId("filter").onchange = () => { view.filter = byId("filter").value; draw(); };
byId("order").onchange = () => orderBy(byId("order").value);

async function watch() {
  if (!document.hidden && !byId("act").open && !document.activeElement?.closest("select")) await refresh();
  setTimeout(watch, EVERY_MS);
}
watch();
