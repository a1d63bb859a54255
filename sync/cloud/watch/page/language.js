/** Which of two languages a page speaks: the browser's, or the one chosen on it and remembered. The hub's console has this file too. */

const KEY = "storehub.language";

let language = chosen();

/** @returns {"en" | "zh-Hant"} the language of the page */
export function currentLanguage() {
  return language;
}

/** @returns {"en" | "zh-Hant"} the one that the page does not speak */
export function otherLanguage() {
  return language === "en" ? "zh-Hant" : "en";
}

/** Speak the other language from now on, and remember it. */
export function changeLanguage() {
  language = otherLanguage();
  localStorage.setItem(KEY, language);
}

/** Return words with {0} {1} filled in. */
export function filled(words, values) {
  return words.replace(/\{(\d)\}/g, (_, at) => String(values[Number(at)] ?? ""));
}

function chosen() {
  const kept = localStorage.getItem(KEY);
  if (kept === "en" || kept === "zh-Hant") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh-Hant" : "en";
}
