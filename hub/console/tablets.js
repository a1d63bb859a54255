/** The dialog that takes one more tablet to the hub: a code of its own, as link, QR and words. */

import { post } from "/console/client.js";
import { byId } from "/console/dom.js";
import { drawFingerprint } from "/console/fingerprint.js";
import { currentLanguage } from "/console/language.js";
import { t } from "/console/words.js";

export class Tablets {
  /** @param {HTMLButtonElement} button  opens the dialog with a new code */
  constructor(button) {
    this.button = button;
    this.dialog = byId("tablet-dialog");
    this.made = null;
    /** @type {() => string} */
    this.message = () => "";
    button.onclick = () => this.#open();
    this.dialog.onclose = () => this.#forget();
  }

  drawAgain() {
    byId("tablet-message").textContent = this.message();
    const shown = byId("tablet-shown");
    shown.hidden = !this.made;
    if (!this.made) return;
    byId("tablet-qr").src = `data:image/png;base64,${this.made.qr_png}`;
    byId("tablet-qr").alt = t("tabletQr");
    byId("tablet-url").textContent = this.made.url;
    byId("tablet-code").textContent = this.made.code;
    byId("tablet-print").hidden = !this.made.ca_sha256;
    drawFingerprint(byId("tablet-ca"), this.made.ca_sha256);
    byId("tablet-life").textContent = t("tabletLife", Math.round(this.made.expires_s / 60));
  }

  async #open() {
    this.message = () => "";
    this.dialog.showModal();
    try {
      this.made = await post("/v1/pairing-codes", {});
    } catch (error) {
      this.message = () => error.problem?.remedy?.[currentLanguage()] ?? t("hubAway");
    }
    this.drawAgain();
  }

  /** A code is not left in the page. */
  #forget() {
    this.made = null;
    byId("tablet-qr").removeAttribute("src");
    byId("tablet-code").textContent = "";
    this.drawAgain();
  }
}
