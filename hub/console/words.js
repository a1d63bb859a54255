/**
 * Every word that the console shows, in both languages: same keys in both (a test compares them).
 * Codes of the hub (warnings, reasons, states) have keys `kind.code`; a code without words is shown as it is.
 */

const KEY = "storehub.language";

export const WORDS = {
  en: {
    skip: "Skip to content", navLabel: "Settings and documents", consoleTitle: "Store console",
    otherLanguage: "中文", apiLink: "API", forget: "Sign out",
    pairTitle: "Connect this screen to the hub",
    pairHow: "On the machine that runs the hub, make a one-time code with this command, then type the code here:",
    pairCode: "Pairing code", pairButton: "Connect", pairing: "Connecting…",
    pairScope: "That code is not for the console. Make one with: storehub pair --scope manager",
    signedOut: "The hub no longer knows this screen. Connect it again.",
    connecting: "Connecting", live: "Live", offline: "No connection, trying again",
    hubAway: "The hub does not answer.", figures: "Figures since this page opened",
    figureSales: "Sales", figureTotal: "Turnover", figureScans: "Scans", figureDevices: "Devices ready",
    since: "since {0}", figureGap: "since {0}, with a gap while disconnected",
    deviceShare: "{0} / {1}", devicesBad: "{0} not ready", devicesGood: "all well",
    refused: "{0} refused", noneRefused: "all readable", average: "{0} a sale", noSales: "no sale yet",
    sales: "Sales", salesEmpty: "Sales appear here as they are made.",
    lines: "{0} lines", oneLine: "1 line",
    "warning.price_differs": "Price differs from the shop's", "warning.stock_below_zero": "Stock below zero",
    "warning.open_item": "Sold as open item", "warning.unknown_sku": "Unknown product",
    scans: "Scans", scansEmpty: "Every label that a scanner reads appears here.",
    unknownLabel: "Not in the catalogue", replayed: "late", weight: "{0} g",
    "scan.empty": "Empty label", "scan.check_digit": "Wrong check digit: scan again",
    "scan.not_numeric": "Not a number", "scan.length": "Wrong length", "scan.charset": "Character not allowed in GS1",
    "scan.unknown_data": "Unknown GS1 data", "scan.value_format": "GS1 value in the wrong form",
    "scan.date": "Impossible date", "scan.digital_link": "Not a GS1 Digital Link", "scan.repeated": "Contradicts itself",
    "scan.too_long": "Label too long", "scan.not_text": "Unreadable characters", "scan.cut": "Label was cut off",
    prints: "Print jobs", printsEmpty: "Receipts and documents appear here when they are printed.",
    retry: "Retry", reprint: "Reprint", retryOf: "Retry {0}", reprintOf: "Reprint {0}", document: "Document",
    attempts: "{0} attempts", "state.queued": "Waiting", "state.printing": "Printing", "state.printed": "Printed",
    "state.failed": "Not printed", "state.unknown": "Check the paper", "mark.reprint": "copy", "mark.repeat": "repeat",
    "reason.retry": "asked again", "reason.hub_restarted": "the hub restarted meanwhile",
    "reason.interrupted": "interrupted", "reason.connection_lost": "connection lost",
    "reason.no_answer": "no answer", "reason.not_confirmed": "not confirmed", "reason.not_attached": "not attached",
    "reason.paper_out": "paper is out", "reason.paper_near_end": "paper is nearly out",
    "reason.cover_open": "cover is open", "reason.cutter_error": "cutter is jammed",
    "reason.printer_error": "printer error", "reason.printer_offline": "printer is off line",
    "reason.characters_missing": "characters missing", "reason.starting": "starting",
    "reason.stuck": "no sign of life", "reason.ended": "stopped", "reason.driver_failed": "driver failed, see the log",
    devices: "Devices", devicesEmpty: "No devices are configured.",
    "health.ready": "Ready", "health.degraded": "Needs attention", "health.offline": "Not attached",
    "category.Scanner": "Scanner", "category.POSPrinter": "Receipt printer", "category.CashDrawer": "Cash drawer",
    "category.LineDisplay": "Customer display", "category.Scale": "Scale",
    "category.PeopleCounter": "People counter", "category.Beacon": "Beacon",
    claimedBy: "claimed by {0}", "counter.labels": "labels", "counter.labels_refused": "refused",
    "counter.labels_cut": "cut off", "counter.labels_too_long": "too long", "counter.labels_not_text": "unreadable",
    "counter.raster_lines": "drawn lines", "counter.characters_missing": "characters missing",
    "counter.stray_bytes": "stray bytes",
    search: "Product search", searchHint: "Name, SKU or bar code", searching: "Searching…",
    found: "{0} found", foundMore: "first {0}, type more to narrow", foundNone: "Nothing found",
    inStock: "{0} in stock", promised: "{0} promised", notStocked: "not stocked", noPrice: "no price",
    perGrams: "for {0} g", page: "Page of a device",
    docsTitle: "Local API", docsBack: "Console", docsRoutes: "Calls", docsSchemas: "Shapes",
    docsScopes: "Scopes", docsOpen: "open to everybody", docsParameters: "Parameters", docsRequest: "Request body",
    docsAnswers: "Answers", docsField: "Field", docsType: "Type", docsMeaning: "Meaning", docsRequired: "required",
    docsDefault: "default {0}", docsFailed: "The description could not be read.", docsIn: "in {0}",
    docsRaw: "OpenAPI document",
  },
  "zh-Hant": {
    skip: "跳到內容", navLabel: "設定與文件", consoleTitle: "門市主控台",
    otherLanguage: "English", apiLink: "API", forget: "登出",
    pairTitle: "將此畫面連接到主機",
    pairHow: "在執行主機程式的電腦上，用以下指令產生一次性配對碼，然後在此輸入：",
    pairCode: "配對碼", pairButton: "連接", pairing: "連接中…",
    pairScope: "此配對碼不適用於主控台。請用這個指令產生：storehub pair --scope manager",
    signedOut: "主機已不認得此畫面，請重新連接。",
    connecting: "連線中", live: "即時", offline: "連線中斷，正在重試",
    hubAway: "主機沒有回應。", figures: "開啟此頁後的數字",
    figureSales: "銷售筆數", figureTotal: "營業額", figureScans: "掃描次數", figureDevices: "裝置就緒",
    since: "自 {0} 起", figureGap: "自 {0} 起，斷線期間未計",
    deviceShare: "{0} / {1}", devicesBad: "{0} 部未就緒", devicesGood: "全部正常",
    refused: "{0} 次不被接受", noneRefused: "全部可讀", average: "每筆 {0}", noSales: "尚無銷售",
    sales: "銷售", salesEmpty: "每筆銷售完成後會在此出現。",
    lines: "{0} 項", oneLine: "1 項",
    "warning.price_differs": "與本店價格不同", "warning.stock_below_zero": "庫存低於零",
    "warning.open_item": "以未列商品售出", "warning.unknown_sku": "未知商品",
    scans: "掃描", scansEmpty: "掃描器讀到的條碼會在此出現。",
    unknownLabel: "不在商品目錄", replayed: "延遲", weight: "{0} 克",
    "scan.empty": "空白條碼", "scan.check_digit": "檢查碼錯誤，請再掃一次",
    "scan.not_numeric": "不是數字", "scan.length": "長度不符", "scan.charset": "含 GS1 不允許的字元",
    "scan.unknown_data": "未知的 GS1 資料", "scan.value_format": "GS1 內容格式錯誤",
    "scan.date": "日期不存在", "scan.digital_link": "不是 GS1 Digital Link", "scan.repeated": "內容互相矛盾",
    "scan.too_long": "條碼過長", "scan.not_text": "含無法讀取的字元", "scan.cut": "條碼不完整",
    prints: "列印工作", printsEmpty: "收據與文件列印時會在此出現。",
    retry: "重試", reprint: "補印", retryOf: "重試 {0}", reprintOf: "補印 {0}", document: "文件",
    attempts: "已試 {0} 次", "state.queued": "等待中", "state.printing": "列印中", "state.printed": "已列印",
    "state.failed": "未列印", "state.unknown": "請查看紙張", "mark.reprint": "副本", "mark.repeat": "重複列印",
    "reason.retry": "已要求重試", "reason.hub_restarted": "主機期間曾重新啟動",
    "reason.interrupted": "已中斷", "reason.connection_lost": "連線中斷",
    "reason.no_answer": "沒有回應", "reason.not_confirmed": "未獲確認", "reason.not_attached": "未連接",
    "reason.paper_out": "缺紙", "reason.paper_near_end": "紙張將盡",
    "reason.cover_open": "上蓋未關", "reason.cutter_error": "切刀卡住",
    "reason.printer_error": "印表機故障", "reason.printer_offline": "印表機離線",
    "reason.characters_missing": "缺少字型", "reason.starting": "啟動中",
    "reason.stuck": "沒有動靜", "reason.ended": "已停止", "reason.driver_failed": "驅動程式失敗，請看日誌",
    devices: "裝置", devicesEmpty: "尚未設定裝置。",
    "health.ready": "就緒", "health.degraded": "需要處理", "health.offline": "未連接",
    "category.Scanner": "掃描器", "category.POSPrinter": "收據印表機", "category.CashDrawer": "錢箱",
    "category.LineDisplay": "客戶顯示器", "category.Scale": "電子秤",
    "category.PeopleCounter": "人流計數器", "category.Beacon": "信標",
    claimedBy: "由 {0} 佔用", "counter.labels": "個條碼", "counter.labels_refused": "個不被接受",
    "counter.labels_cut": "個不完整", "counter.labels_too_long": "個過長", "counter.labels_not_text": "個無法讀取",
    "counter.raster_lines": "行以圖形列印", "counter.characters_missing": "個缺字",
    "counter.stray_bytes": "個多餘位元組",
    search: "商品查詢", searchHint: "名稱、貨號或條碼", searching: "查詢中…",
    found: "找到 {0} 項", foundMore: "顯示前 {0} 項，請輸入更多字詞", foundNone: "找不到商品",
    inStock: "庫存 {0}", promised: "已預留 {0}", notStocked: "不計庫存", noPrice: "未定價",
    perGrams: "每 {0} 克", page: "裝置的頁面",
    docsTitle: "本機 API", docsBack: "主控台", docsRoutes: "呼叫", docsSchemas: "資料結構",
    docsScopes: "權限", docsOpen: "公開", docsParameters: "參數", docsRequest: "要求內容",
    docsAnswers: "回應", docsField: "欄位", docsType: "類型", docsMeaning: "說明", docsRequired: "必填",
    docsDefault: "預設 {0}", docsFailed: "無法讀取 API 描述。", docsIn: "位於 {0}",
    docsRaw: "OpenAPI 文件",
  },
};

let language = chosen();

/** @returns {"en" | "zh-Hant"} the language of the page */
export function currentLanguage() {
  return language;
}

/** Switch to the other language, remember it, and put its words into the page. */
export function switchLanguage() {
  language = language === "en" ? "zh-Hant" : "en";
  localStorage.setItem(KEY, language);
  applyWords();
}

/** Return the words of a key, {0} {1} filled in. A missing key is a mistake of ours and shows as the key. */
export function t(key, ...values) {
  const words = WORDS[language][key] ?? key;
  return words.replace(/\{(\d)\}/g, (_, at) => String(values[Number(at)]));
}

/** Return the words for a code of the hub, or the code itself. */
export function wordsFor(kind, code) {
  return WORDS[language][`${kind}.${code}`] ?? code;
}

/** Return a name {en, zh-Hant} in the page's language, or in the other where that is empty. */
export function named(name) {
  const other = language === "en" ? "zh-Hant" : "en";
  return name?.[language] || name?.[other] || "";
}

/** Fill in every element that names its words: data-w, data-w-label, data-w-placeholder. */
export function applyWords() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-w]")) element.textContent = t(element.dataset.w);
  for (const element of document.querySelectorAll("[data-w-label]")) {
    element.setAttribute("aria-label", t(element.dataset.wLabel));
  }
  for (const element of document.querySelectorAll("[data-w-placeholder]")) {
    element.setAttribute("placeholder", t(element.dataset.wPlaceholder));
  }
}

function chosen() {
  const kept = localStorage.getItem(KEY);
  if (kept === "en" || kept === "zh-Hant") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh-Hant" : "en";
}
