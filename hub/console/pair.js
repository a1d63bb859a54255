/**
 * The page /pair: a tablet comes to trust the store's CA, then spends its code.
 *
 * By plain HTTP from the network the hub serves nothing else: the page says what to do, asks https whether this tablet trusts it
 * already, and goes on there with what stands behind `#`. That part of an address is never sent.
 */

import { keepToken, pair } from "/console/client.js";
import { byId, h } from "/console/dom.js";
import { drawFingerprint } from "/console/fingerprint.js";
import { currentLanguage } from "/console/language.js";
import { applyWords, named, switchLanguage, t } from "/console/words.js";

const TILL = "storehub.till"; // {token, till_id, scope}: what a till program on this tablet finds
const LOOK_EVERY_MS = 4_000; // whether the tablet trusts the CA by now
const STEPS = { ipad: 5, android: 4, other: 3 };

const told = new URLSearchParams(location.hash.slice(1));
const isSecure = location.protocol === "https:" || ["127.0.0.1", "[::1]", "localhost"].includes(location.hostname);
const secure = `https://${location.host}`;

let facts = null;
let kind = kindOfTablet();
let isTrusted = false;
let paired = null;
/** @type {() => string} what the form says, in the language of the moment */
let message = () => "";
let notice = () => "";

function kindOfTablet() {
  if (/Android/.test(navigator.userAgent)) return "android";
  const isApple = /iPad|iPhone/.test(navigator.userAgent) || (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
  return isApple ? "ipad" : "other"; // an iPad says that it is a Mac
}

function draw() {
  applyWords();
  byId("language").textContent = t("otherLanguage");
  byId("language").lang = currentLanguage() === "en" ? "zh-Hant" : "en";
  byId("join-message").textContent = message();
  byId("join-notice").textContent = notice();
  byId("join-notice").hidden = !notice();
  document.title = t("joinTitle");
  if (!facts) return;
  document.title = `${named(facts.store)} · ${t("joinTitle")}`;
  byId("shop-name").textContent = named(facts.store);
  byId("shop-facts").textContent = facts.store_id;
  drawTrust();
  drawJoined();
}

function drawTrust() {
  const authority = facts.authority;
  if (!authority) return;
  for (const button of document.querySelectorAll("[data-kind]")) {
    button.setAttribute("aria-pressed", String(button.dataset.kind === kind));
  }
  const numbers = Array.from({ length: STEPS[kind] }, (_, at) => at + 1);
  byId("trust-steps").replaceChildren(...numbers.map((number) => h("li",
    t(`trust.${kind}.${number}`, authority.name), number === 1 ? h("div", download()) : null)));
  drawFingerprint(byId("trust-print"), authority.sha256);
  const state = byId("trust-state");
  state.hidden = isSecure;
  state.dataset.trusted = isTrusted ? "yes" : "no";
  state.textContent = t(isTrusted ? "trustDone" : "trustWaiting");
  const next = byId("trust-next");
  next.hidden = isSecure;
  next.dataset.trusted = state.dataset.trusted;
  next.href = `${secure}/pair${location.hash}`;
}

function download() {
  const file = kind === "ipad" ? "/ca.mobileconfig" : "/ca.crt"; // no `download`: Safari would put the profile among the files
  return h("a.primary", { href: file }, t(`trust.${kind}.file`));
}

function drawJoined() {
  if (!paired) return;
  byId("joined-title").textContent = t("joinedTitle", paired.till_id);
  byId("joined-what").textContent = t(paired.scope === "manager" ? "joinedManager" : "joinedTill");
  byId("joined-next").hidden = paired.scope !== "manager";
}

/** Show what this visit needs: to trust first, or to pair; the steps stay at hand for who clicked a warning away. */
function lay() {
  const { authority, is_on_lan: isOnLan } = facts;
  if (!isOnLan) notice = () => t("joinAlone");
  else if (!authority) notice = () => t("joinNoAuthority");
  else if (isOther(told.get("ca"))) notice = () => t("joinOtherAuthority");
  byId("join").hidden = !isSecure;
  byId("join-number").hidden = !authority || !isSecure || location.protocol !== "https:";
  byId("trust").hidden = !authority || isSecure;
  byId("again").hidden = !authority || !isSecure;
  if (authority && isSecure) byId("again-inside").replaceChildren(byId("trust"));
  if (authority && isSecure) byId("trust").hidden = false;
  byId("trust").classList.toggle("card", !isSecure);
  byId("join-code").value = isSecure ? told.get("code") ?? "" : "";
  if (isSecure && told.size) history.replaceState(null, "", location.pathname);
}

/** Whether the code's link names another CA than the hub that answers here. */
function isOther(fingerprint) {
  return Boolean(fingerprint) && fingerprint.toUpperCase() !== facts.authority.sha256.replaceAll(":", "");
}

/** Ask https: it answers only when this tablet trusts the CA. What it says cannot be read from here, and need not be. */
async function look() {
  if (document.visibilityState !== "visible") return;
  const was = isTrusted;
  try {
    await fetch(`${secure}/pair.json`, { mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(LOOK_EVERY_MS) });
    isTrusted = true;
  } catch {
    isTrusted = false;
  }
  if (was !== isTrusted) drawTrust();
}

async function join(code, name) {
  message = () => t("pairing");
  draw();
  try {
    paired = await pair(code, name);
  } catch (error) {
    message = () => error.problem?.remedy?.[currentLanguage()] ?? t("hubAway");
    draw();
    return;
  }
  if (paired.scope === "manager") keepToken(paired.token);
  else localStorage.setItem(TILL, JSON.stringify(paired));
  message = () => "";
  byId("join").hidden = byId("again").hidden = true;
  byId("joined").hidden = false;
  draw();
}

async function begin() {
  draw();
  try {
    const answer = await fetch("/pair.json", { cache: "no-store" });
    facts = await answer.json();
  } catch {
    notice = () => t("hubAway");
    draw();
    return;
  }
  lay();
  draw();
  if (isSecure || !facts.authority) return;
  look();
  setInterval(look, LOOK_EVERY_MS);
  document.addEventListener("visibilitychange", look);
}

for (const button of document.querySelectorAll("[data-kind]")) {
  button.onclick = () => {
    kind = button.dataset.kind;
    drawTrust();
  };
}
byId("language").onclick = () => {
  switchLanguage();
  draw();
};
byId("join-form").onsubmit = (submit) => {
  submit.preventDefault();
  join(byId("join-code").value.trim(), byId("join-name").value.trim());
};
begin();
