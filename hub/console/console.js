/** The page of the console: pairing, connection, which panel gets which event, and the manager's pages beside the live one. */

import { Events, get, keepToken, pair, token } from "/console/client.js";
import { Cloud } from "/console/cloud.js";
import { Day } from "/console/day.js";
import { Devices } from "/console/devices.js";
import { Disk } from "/console/disk.js";
import { byId, h } from "/console/dom.js";
import { Figures } from "/console/figures.js";
import { count, setShopFacts } from "/console/format.js";
import { Hubs } from "/console/hubs.js";
import { currentLanguage } from "/console/language.js";
import { Members } from "/console/members.js";
import { Orders } from "/console/orders.js";
import { Reread } from "/console/pace.js";
import { People } from "/console/people.js";
import { Prices } from "/console/prices.js";
import { Prints } from "/console/prints.js";
import { Catalogue, Search } from "/console/products.js";
import { Receipts } from "/console/receipts.js";
import { Sales } from "/console/sales.js";
import { Scans } from "/console/scans.js";
import { Settle } from "/console/settle.js";
import { Stock } from "/console/stock.js";
import { Tablets } from "/console/tablets.js";
import { Trail } from "/console/trail.js";
import { Views } from "/console/views.js";
import { Visitors } from "/console/visitors.js";
import { applyWords, named, switchLanguage, t } from "/console/words.js";
import { Zones } from "/console/zones.js";

const READ_AGAIN_MS = 3_000; // after a failed first read
const SETTLE_PACE = { everyMs: 60_000, atMostEveryMs: 10_000 }; // how much waits for a person, while another page is shown
const NEWS_MS = 6_000; // how long something that asks for nothing is said

let shop = null;
let connection = "connecting";
/** @type {() => string} what the form says, in the language of the moment */
let pairMessage = () => "";
let events = null;
let newsTimer = 0;

const catalogue = new Catalogue();
const figures = new Figures(byId("figures"));
const receipts = new Receipts();
const hubs = new Hubs();
const sales = new Sales(byId("sales"), receipts);
const scans = new Scans(byId("scans"), catalogue);
const prints = new Prints(byId("prints"), receipts, say);
const cloud = new Cloud((isLineDown, waiting) => sales.setWaiting(isLineDown, waiting));
const visitors = new Visitors((day) => figures.setVisitors(day));
const devices = new Devices(byId("devices"), (all) => {
  figures.setDevices(all.filter((device) => device.health === "ready").length, all.length);
  visitors.setHasCounters(all.some((device) => device.category === "PeopleCounter"));
});
const disk = new Disk(byId("disk"));
const search = new Search();
const tablets = new Tablets(byId("tablet"));
const people = new People();
const settle = new Settle(people, catalogue, (waiting, isMore) =>
  views.setCount("settle", waiting ? `${count(waiting)}${isMore ? "+" : ""}` : ""));
const printer = () => shop?.receipt_printer ?? null;
const orders = new Orders(catalogue, people, printer, (toDo, isMore) =>
  views.setCount("orders", toDo ? `${count(toDo)}${isMore ? "+" : ""}` : ""));
const views = new Views([
  settle, orders, new Day(people, new Trail(people), printer), new Stock(catalogue, people), new Members(printer),
  new Prices(catalogue, () => shop?.currency ?? ""), new Zones(),
]);
const settling = new Reread(() => Promise.all([settle, orders].filter((view) => !view.isOpen).map((view) => view.read())), SETTLE_PACE);
const panels = [figures, cloud, visitors, sales, scans, prints, devices, disk, search, tablets, hubs];
const watched = [cloud, visitors, devices];

const HANDLERS = {
  sale(frame) {
    figures.addSale(frame.data);
    sales.add(frame.data);
    receipts.put(frame.data.sale_id, frame.data.receipt_no);
    cloud.poke();
    views.poke("day", "members");
    settling.poke();
  },
  return(frame) {
    figures.addReturn(frame.data);
    sales.addReturn(frame.data);
    cloud.poke();
    views.poke("day", "settle");
    settling.poke();
  },
  print(frame) {
    prints.put(frame.data);
    cloud.poke();
  },
  footfall() {
    visitors.poke();
    cloud.poke();
  },
  catalogue(frame) {
    catalogue.forget();
    search.refresh();
    views.poke("prices");
    tell(t("catalogueCame", count(frame.data.changed)));
  },
  scan(frame) {
    scans.add(frame.device, frame.data);
    orders.packing.heard(frame.device, frame.data);
  },
  order() {
    views.poke("orders", "settle");
    settling.poke();
  },
  marker: () => views.poke("orders"),
  stock(frame) {
    search.setStock(frame.data);
    views.poke("stock", "settle");
    settling.poke();
  },
  transfer_requests: () => views.poke("stock"),
  disk: (frame) => disk.update(frame.data),
  sync: (frame) => cloud.update(frame.data),
  hubs: (frame) => hubs.update(frame.data),
  zone: () => views.poke("zones"),
  device: (frame) => devices.update(frame.device, frame.data),
};

/** Show a message above the panels; the empty string takes it away. */
function say(message) {
  const notice = byId("notice");
  notice.textContent = message;
  notice.hidden = !message;
}

/** Say something briefly, over the page: nothing moves. */
function tell(message) {
  const news = byId("news");
  news.textContent = message;
  clearTimeout(newsTimer);
  newsTimer = setTimeout(() => news.replaceChildren(), NEWS_MS);
}

function showState(state) {
  connection = state;
  const pill = byId("connection");
  pill.hidden = token() === null;
  pill.dataset.state = state;
  pill.textContent = t(state);
  hubs.setLive(state !== "offline");
}

function showShop() {
  document.title = shop ? `${named(shop.name)} · ${t("consoleTitle")}` : t("consoleTitle");
  if (!shop) return;
  byId("shop-name").textContent = named(shop.name);
  byId("shop-facts").textContent = `${shop.store_id} · ${shop.currency} · ${shop.zone}`;
  const column = byId("pages");
  const pages = shop.pages.toSorted((one, other) => (one.height ?? Infinity) - (other.height ?? Infinity) || 0); // small ones first
  column.hidden = pages.length === 0;
  const shown = [...column.querySelectorAll("iframe")];
  if (shown.map((frame) => frame.getAttribute("src")).join() !== pages.map((page) => page.url).join()) {
    column.replaceChildren(...pages.map(pageCard));
  }
  for (const [at, page] of pages.entries()) {
    const title = named(page.title) || t("page");
    column.children[at].querySelector("h2").textContent = title;
    column.children[at].querySelector("iframe").title = title;
  }
}

function pageCard(page) {
  const frame = h("iframe", { src: page.url, referrerpolicy: "no-referrer", sandbox: "allow-scripts allow-same-origin" });
  if (page.height) frame.style.height = `${page.height}px`;
  return h(page.height ? "section.card.page.small" : "section.card.page", h("h2"), frame);
}

/** Read what the panels begin with, and again when events were missed. */
async function read(isGap) {
  if (isGap) figures.markGap();
  try {
    const [shopRead] = await Promise.all([
      get("/v1/shop"), prints.read(), devices.read(), cloud.read(), visitors.read(), disk.read(), hubs.read(),
    ]);
    shop = shopRead;
    setShopFacts(shop);
    figures.setCurrency(shop.currency);
    say("");
    settling.again();
    drawAll();
  } catch (error) {
    if (error.status === 401 || token() === null) return;
    say(t("hubAway"));
    setTimeout(() => token() !== null && read(false), READ_AGAIN_MS);
  }
}

function drawAll() {
  applyWords();
  byId("language").textContent = t("otherLanguage");
  byId("language").lang = currentLanguage() === "en" ? "zh-Hant" : "en";
  byId("pair-message").textContent = pairMessage();
  showState(connection);
  showShop();
  for (const panel of panels) panel.drawAgain();
  views.drawAgain();
}

function open() {
  byId("pair").hidden = true;
  byId("console").hidden = false;
  byId("forget").hidden = byId("tablet").hidden = false;
  events?.stop();
  events = new Events((frame) => HANDLERS[frame.type]?.(frame), showState, read);
  events.start();
  for (const panel of watched) panel.watch();
  settling.start();
  views.start();
}

function close(message) {
  events?.stop();
  events = null;
  for (const panel of watched) panel.stop();
  settling.stop();
  views.stop();
  keepToken(null);
  pairMessage = () => message && t(message);
  for (const panel of [sales, scans, prints, hubs, ...watched]) panel.clear();
  byId("pages").replaceChildren();
  byId("pair").hidden = false;
  byId("console").hidden = true;
  byId("forget").hidden = byId("tablet").hidden = true;
  byId("tablet-dialog").close();
  drawAll();
  byId("code").focus();
}

/** Spend a code; one that does not work leaves a token that does as it is. */
async function connect(code) {
  tellPairing("pairing");
  try {
    const paired = await pair(code);
    if (paired.scope !== "manager") {
      tellPairing("pairScope");
      return;
    }
    keepToken(paired.token);
    byId("code").value = "";
    tellPairing("");
    open();
  } catch (error) {
    tellPairing("hubAway", error.problem?.remedy);
  }
}

/** Say how pairing goes, in the form or, when this screen is connected already, above the panels. */
function tellPairing(word, remedy) {
  pairMessage = () => remedy?.[currentLanguage()] ?? (word && t(word));
  byId("pair-message").textContent = pairMessage();
  if (token() !== null && word !== "pairing") say(pairMessage());
}

/** Take the code out of `#pair=CODE` and out of the address bar and history. */
function codeOfLink() {
  const code = new URLSearchParams(location.hash.slice(1)).get("pair");
  if (code !== null) history.replaceState(null, "", location.pathname);
  return code;
}

function begin() {
  const code = codeOfLink();
  drawAll();
  byId("pair").hidden = token() !== null;
  if (token() !== null && !code) open();
  if (code) connect(code).then(() => token() !== null && events === null && open());
}

byId("language").onclick = () => {
  switchLanguage();
  drawAll();
};
byId("forget").onclick = () => close("");
byId("pair-form").onsubmit = (submit) => {
  submit.preventDefault();
  connect(byId("code").value.trim());
};
addEventListener("storehub:unauthorized", () => token() !== null && close("signedOut"));
addEventListener("hashchange", () => {
  const code = codeOfLink();
  if (code) connect(code);
});
begin();
