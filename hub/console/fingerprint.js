/** A certificate's fingerprint as people compare it: four pairs of digits at a time. */

import { h } from "/console/dom.js";

const GROUP = 4;

/** Draw "24:03:1C:…" into an element of class `fingerprint`. */
export function drawFingerprint(element, fingerprint) {
  const pairs = fingerprint ? fingerprint.split(":") : [];
  const groups = Array.from({ length: pairs.length / GROUP }, (_, at) => pairs.slice(at * GROUP, (at + 1) * GROUP));
  element.replaceChildren(...groups.map((group) => h("span", group.join(":"))));
}
