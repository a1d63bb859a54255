/** Money and time as people read them. Pure, but for the shop's facts that are set once. */

import { currentLanguage } from "/console/language.js";
import { t } from "/console/words.js";

const facts = { currency: "", minor: 2, display: 2, zone: "UTC" };

/** Take the facts from GET /v1/shop. */
export function setShopFacts(shop) {
  Object.assign(facts, {
    currency: shop.currency, minor: shop.minor_digits, display: shop.display_digits, zone: shop.zone,
  });
}

/**
 * Return minor units as text with display digits and grouping; a fraction is never hidden (TWD 3550 is 35.50).
 * @param {number} amount @param {string} currency
 */
export function money(amount, currency) {
  const shown = currency === facts.currency ? facts : { minor: 2, display: 2 };
  const digits = String(Math.abs(amount)).padStart(shown.minor + 1, "0");
  const whole = digits.slice(0, digits.length - shown.minor).replace(/\B(?=(\d{3})+$)/g, ",");
  const fraction = digits.slice(digits.length - shown.minor);
  const hidden = fraction.slice(shown.display);
  const kept = /[1-9]/.test(hidden) ? fraction : fraction.slice(0, shown.display);
  return `${currency} ${amount < 0 ? "−" : ""}${whole}${kept ? `.${kept}` : ""}`;
}

/** Return minor units of the shop's currency for what somebody typed, as 12.90; null for what is no amount. @param {string} text */
export function minorOf(text) {
  const typed = /^(\d{1,9})(?:\.(\d*))?$/.exec(text.trim());
  if (!typed || (typed[2] ?? "").length > facts.minor) return null;
  return Number(typed[1] + (typed[2] ?? "").padEnd(facts.minor, "0"));
}

/** Return a moment as hours, minutes, seconds of the shop's zone. @param {Date | number | string} moment */
export function clock(moment) {
  return new Intl.DateTimeFormat(currentLanguage(), {
    timeZone: facts.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  }).format(new Date(moment));
}

/** Return a number with grouping. */
export function count(n) {
  return new Intl.NumberFormat(currentLanguage()).format(n);
}

const UNITS = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]];

/** Return a length of time in words: `3 minutes`; whole units, "" for less than a minute. @param {number} ms */
export function span(ms) {
  const [unit, length] = UNITS.find(([, length]) => ms >= length) ?? [];
  if (!unit) return "";
  return new Intl.NumberFormat(currentLanguage(), { style: "unit", unit, unitDisplay: "long" }).format(Math.floor(ms / length));
}

/** Return a stay as minutes and seconds: `2:05`; hours are minutes as well. @param {number} seconds */
export function stay(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Return how long ago a moment was: `3 minutes ago`. @param {Date | number | string} moment */
export function ago(moment) {
  const ms = Date.now() - new Date(moment).getTime();
  const [unit, length] = UNITS.find(([, length]) => ms >= length) ?? [];
  if (!unit) return t("justNow");
  return new Intl.RelativeTimeFormat(currentLanguage(), { numeric: "always" }).format(-Math.floor(ms / length), unit);
}

/** Return a moment as hours and minutes of the shop's zone, with the day when it was another one. */
export function moment(value) {
  const at = new Date(value);
  const day = (date) => new Intl.DateTimeFormat("en-CA", { timeZone: facts.zone }).format(date);
  const isToday = day(at) === day(new Date());
  return new Intl.DateTimeFormat(currentLanguage(), {
    timeZone: facts.zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    ...(isToday ? {} : { month: "short", day: "numeric" }),
  }).format(at);
}

/** Return the shop's date of now, as 2026-11-22. */
export function today() {
  return new Intl.DateTimeFormat("en-CA", { timeZone: facts.zone }).format(new Date());
}
