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
    figureSales: "Sales", figureTotal: "Turnover", figureVisitors: "Visitors today", figureDevices: "Devices ready",
    since: "since {0}", figureGap: "since {0}, with a gap while disconnected",
    deviceShare: "{0} / {1}", devicesBad: "{0} not ready", devicesGood: "all well",
    refused: "{0} refused", average: "{0} a sale", noSales: "no sale yet", refunded: "after refunds of {0}",
    justNow: "just now", returned: "returned", hereOnly: "in this shop only",
    catalogueCame: "New from the cloud: {0} products or prices",
    visitors: "Visitors by hour", visitorsIn: "In", visitorsOut: "Out", visitorsHour: "Hour",
    visitorsTable: "Visitors today by hour", visitorsTip: "{0}–{1}   {2} in, {3} out", visitorsLeft: "{0} went out",
    noCounters: "no people counter",
    visitorsNone: "No people counter is configured. With one at the door this place shows how many come in each hour.",
    cloud: "Cloud", rowsWaiting: "Rows waiting", rowsOldest: "Oldest of them", rowsByKind: "Rows waiting, by kind",
    "line.up": "Connected", "line.down": "No line", "line.starting": "Connecting", "line.pull": "Fetched by the cloud",
    "line.scheduled": "By schedule", lineNext: "next contact {0}",
    "line.alone": "One copy", lineSince: "since {0}", lineDownFor: "for {0}, since {1}",
    linePull: "the cloud fetches when it wants to",
    safeWhat: "Everything from this shop is in the cloud too.", waitingWhat: "Kept here, on the way to the cloud.",
    aloneWhat: "What is sold is stored on this machine only.",
    aloneRemedy: "Join a cloud ([cloud] in the configuration) or back up often.",
    clockWhat: "This machine's clock and the cloud's differ by {0}.",
    clockRemedy: "Set the time (timedatectl). Sales stay as they were stamped.",
    clockUnsureWhat: "Nobody has told this hub the time since it started. Sales are marked.",
    clockUnsureRemedy: "Connect the line, or let the manager confirm the date once: POST /v1/clock/confirm.",
    tryAgain: "The shop goes on selling; the hub tries again by itself.",
    "line.reason.unreachable": "The cloud cannot be reached.", "line.reason.timeout": "Nobody answers in time.",
    "line.reason.refused": "The cloud refuses this store.", "line.reason.not_a_cloud": "Something else answers there.",
    "line.reason.server_error": "The cloud has a fault.", "line.reason.hung_up": "The line was cut.",
    "line.reason.fork": "This store or the cloud is a restored copy.", "line.reason.protocol": "What comes is unreadable.",
    "line.reason.cannot_write": "This machine cannot write to its disk.", "line.reason.no_hello": "Nobody answers in time.",
    "line.reason.no_ack": "The cloud does not confirm.", "line.reason.gap": "Rows are missing.",
    "line.reason.version": "The cloud speaks another version.", "line.reason.unexpected": "What comes is out of order.",
    "line.reason.not_asked": "The cloud has not asked for rows for a while.",
    "line.reason.internal": "This program has a fault.", "line.reason.scheduled": "This store speaks with the cloud every so often.",
    "remedy.unreachable": "Check the shop's line, the cloud's address and the firewall. Selling goes on.",
    "remedy.timeout": "The line is up: check its quality and the cloud's load. Selling goes on.",
    "remedy.refused": "Put the store's token into [cloud] token.",
    "remedy.not_a_cloud": "A captive portal or a proxy? Log in there, or correct [cloud] url.",
    "remedy.server_error": "Look at the cloud's log. The hub tries again by itself.",
    "remedy.hung_up": "The hub dials again by itself. Selling goes on.",
    "remedy.fork": "Do not delete anything. Call support.",
    "remedy.protocol": "Look for a proxy that changes what passes, and at the cloud's version.",
    "remedy.cannot_write": "Look at the hub's log: the disk is full or failing.",
    "remedy.version": "Upgrade the older side.",
    "remedy.not_asked": "Look at the cloud's log, its [stores] url and hub_token. Selling goes on.",
    "remedy.no_hello": "Look at the cloud's log. The hub dials again by itself.",
    "remedy.no_ack": "Look at the cloud's log. Rows are sent again; selling goes on.",
    "remedy.gap": "Keep both disks, look at both logs, call support. Selling goes on.",
    "remedy.unexpected": "Look for a proxy that changes what passes, and at the cloud's version.",
    "remedy.scheduled": "Nothing is wrong. Rows go at the next contact.",
    "remedy.internal": "The hub's log has the traceback: send it to support. Selling goes on.",
    "stream.sales": "Sales", "stream.returns": "Returns", "stream.stock": "Stock", "stream.prints": "Prints",
    "stream.catalogue": "Products", "stream.levels": "Levels", "stream.footfall": "Visitors",
    "stream.trail": "Audit trail", "stream.cashiers": "Cashiers", "stream.drawers": "Drawers",
    "stream.pricing": "Price lists", "stream.store_prices": "Shop's prices",
    sales: "Sales", salesEmpty: "Sales appear here as they are made.",
    lines: "{0} lines", oneLine: "1 line",
    "warning.price_differs": "Price differs from the shop's", "warning.stock_below_zero": "Stock below zero",
    "warning.clock_unsure": "Time not confirmed", "warning.late": "Its trading day was closed",
    "warning.coupon_conditional": "Coupon taken without a right", "warning.coupon_unknown": "Unknown coupon",
    "warning.coupon_window": "Coupon not valid then", "warning.coupon_currency": "Coupon in another currency",
    "warning.coupon_product": "Coupon for other goods", "warning.coupon_spend": "Coupon's minimum not reached",
    "warning.coupon_member": "Coupon for members", "warning.coupon_too_much": "Coupon takes off less",
    "warning.coupon_not_issued": "Coupon not issued", "warning.coupon_used": "Coupon used already",
    "warning.coupon_no_right": "Coupon beyond the day's cap", "warning.points_balance": "More points than there are",
    "warning.points_cap": "More points than a day allows", "warning.points_contested": "Points of a contested person",
    "warning.promotion_differs": "Promotion differs from the shop's", "warning.price_override": "Price set by hand",
    "warning.returned_elsewhere": "Sold by another store", "warning.no_receipt": "Returned without a receipt",
    "warning.elsewhere": "Other stores' goods are not taken back here", "warning.elsewhere_cap": "Beyond the cap for other stores' goods",
    "warning.claim_price": "Dearer than the price of now", "warning.reason_unknown": "Reason not declared",
    "warning.refund_tender": "Refunded by another tender than paid", "warning.refund_tenders": "Paid back is not the refund",
    "warning.approval_needed": "Nobody has approved", "warning.approval": "Approval is not for this",
    "warning.tender_offline": "Paid without a line", "warning.tender_unknown": "Tender not taken here",
    "warning.by_grace": "Price of a clock that is not sure", "warning.booked_second": "Second content, booked by a manager",
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
    "counter.stray_bytes": "stray bytes", "counter.reconnects": "reconnects", "counter.stuck": "times without a sign of life",
    "counter.readings": "readings", "counter.not_recorded": "readings that wait", "counter.refused_too_long": "too long",
    "counter.refused_wrong_field": "with a wrong field", "counter.refused_not_json": "unreadable",
    "counter.refused_no_count": "without a count", "reason.not_recorded": "counts wait at the broker",
    "reason.sensors_offline": "sensors are off line",
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
    figureSales: "銷售筆數", figureTotal: "營業額", figureVisitors: "今日訪客", figureDevices: "裝置就緒",
    since: "自 {0} 起", figureGap: "自 {0} 起，斷線期間未計",
    deviceShare: "{0} / {1}", devicesBad: "{0} 部未就緒", devicesGood: "全部正常",
    refused: "{0} 次不被接受", average: "每筆 {0}", noSales: "尚無銷售", refunded: "已扣退款 {0}",
    justNow: "剛剛", returned: "退貨", hereOnly: "只存在本店",
    catalogueCame: "雲端送來 {0} 筆商品或價格更新",
    visitors: "每小時訪客", visitorsIn: "進", visitorsOut: "出", visitorsHour: "時段",
    visitorsTable: "今日每小時訪客", visitorsTip: "{0}–{1}　進 {2}，出 {3}", visitorsLeft: "{0} 人已離開",
    noCounters: "沒有人流計數器",
    visitorsNone: "尚未設定人流計數器。在門口裝上一部，這裡就會顯示每小時的進店人數。",
    cloud: "雲端", rowsWaiting: "等待上傳", rowsOldest: "最早一筆", rowsByKind: "各類等待上傳的資料",
    "line.up": "已連線", "line.down": "沒有線路", "line.starting": "連線中", "line.pull": "由雲端收取",
    "line.scheduled": "按時連線", lineNext: "下次連線 {0}",
    "line.alone": "只有一份", lineSince: "自 {0} 起", lineDownFor: "斷線 {0}，自 {1} 起",
    linePull: "雲端會自行前來收取",
    safeWhat: "本店的資料都已存到雲端。", waitingWhat: "已存在本店，正在送往雲端。",
    aloneWhat: "銷售資料只存在這部機器上。",
    aloneRemedy: "請連接雲端（設定檔的 [cloud]），或經常備份。",
    clockWhat: "本機時鐘與雲端相差 {0}。",
    clockRemedy: "請校正時間（timedatectl）。銷售的時間不會被更改。",
    clockUnsureWhat: "啟動後尚未有人告知本機時間，銷售會加上標記。",
    clockUnsureRemedy: "請連接線路，或由店長確認一次日期：POST /v1/clock/confirm。",
    tryAgain: "門市照常銷售，主機會自行重試。",
    "line.reason.unreachable": "無法連到雲端。", "line.reason.timeout": "對方沒有及時回應。",
    "line.reason.refused": "雲端不接受本店。", "line.reason.not_a_cloud": "該位址回應的不是雲端。",
    "line.reason.server_error": "雲端發生故障。", "line.reason.hung_up": "線路被切斷。",
    "line.reason.fork": "本店或雲端是由備份還原的。", "line.reason.protocol": "收到的資料無法讀取。",
    "line.reason.cannot_write": "本機無法寫入磁碟。", "line.reason.no_hello": "對方沒有及時回應。",
    "line.reason.no_ack": "雲端沒有確認收妥。", "line.reason.gap": "有資料缺漏。",
    "line.reason.version": "雲端的版本不同。", "line.reason.unexpected": "收到的資料次序不對。",
    "line.reason.not_asked": "雲端已有一段時間沒有來收取資料。",
    "line.reason.internal": "本程式發生故障。", "line.reason.scheduled": "本店定時與雲端連線。",
    "remedy.unreachable": "請檢查門市網路、雲端位址與防火牆。門市照常銷售。",
    "remedy.timeout": "線路仍通，請檢查線路品質與雲端負載。門市照常銷售。",
    "remedy.refused": "請把本店的權杖填入 [cloud] token。",
    "remedy.not_a_cloud": "可能是登入頁或代理伺服器：請先登入，或更正 [cloud] url。",
    "remedy.server_error": "請查看雲端的日誌。主機會自行重試。",
    "remedy.hung_up": "主機會自行重新連線。門市照常銷售。",
    "remedy.fork": "請勿刪除任何資料，並聯絡技術支援。",
    "remedy.protocol": "請檢查有沒有更改內容的代理伺服器，以及雲端的版本。",
    "remedy.cannot_write": "請查看主機的日誌：磁碟已滿或故障。",
    "remedy.version": "請升級較舊的一方。",
    "remedy.not_asked": "請查看雲端的日誌，以及雲端 [stores] 的 url 與 hub_token。門市照常銷售。",
    "remedy.no_hello": "請查看雲端的日誌。主機會自行重新連線。",
    "remedy.no_ack": "請查看雲端的日誌。資料會重送，門市照常銷售。",
    "remedy.gap": "請保留兩端的磁碟，查看兩端的日誌，並聯絡技術支援。門市照常銷售。",
    "remedy.unexpected": "請檢查有沒有更改內容的代理伺服器，以及雲端的版本。",
    "remedy.scheduled": "一切正常，資料會在下次連線時送出。",
    "remedy.internal": "主機的日誌有錯誤詳情，請交給技術支援。門市照常銷售。",
    "stream.sales": "銷售", "stream.returns": "退貨", "stream.stock": "庫存異動", "stream.prints": "列印",
    "stream.catalogue": "商品", "stream.levels": "庫存量", "stream.footfall": "訪客",
    "stream.trail": "稽核紀錄", "stream.cashiers": "收銀員", "stream.drawers": "錢箱",
    "stream.pricing": "價目表", "stream.store_prices": "本店自訂價",
    sales: "銷售", salesEmpty: "每筆銷售完成後會在此出現。",
    lines: "{0} 項", oneLine: "1 項",
    "warning.price_differs": "與本店價格不同", "warning.stock_below_zero": "庫存低於零",
    "warning.clock_unsure": "時間未經確認", "warning.late": "原營業日已關閉",
    "warning.coupon_conditional": "未取得使用權的優惠券", "warning.coupon_unknown": "未知優惠券",
    "warning.coupon_window": "優惠券不在使用期間", "warning.coupon_currency": "優惠券幣別不同",
    "warning.coupon_product": "優惠券不適用於商品", "warning.coupon_spend": "未達優惠券最低消費",
    "warning.coupon_member": "優惠券限會員", "warning.coupon_too_much": "超過優惠券可折抵金額",
    "warning.coupon_not_issued": "優惠券未發出", "warning.coupon_used": "優惠券已使用",
    "warning.coupon_no_right": "超過當日優惠券上限", "warning.points_balance": "點數不足",
    "warning.points_cap": "超過當日點數上限", "warning.points_contested": "身分有爭議者的點數",
    "warning.promotion_differs": "與本店促銷不同", "warning.price_override": "人工改價",
    "warning.returned_elsewhere": "他店售出", "warning.no_receipt": "無收據退貨", "warning.elsewhere": "本店不受理他店商品退貨",
    "warning.elsewhere_cap": "超過代他店退貨上限", "warning.claim_price": "高於現價", "warning.reason_unknown": "未設定的退貨原因",
    "warning.refund_tender": "退款方式與付款方式不同", "warning.refund_tenders": "退款金額不符",
    "warning.approval_needed": "未經核准", "warning.approval": "核准不適用於此筆",
    "warning.tender_offline": "離線付款", "warning.tender_unknown": "本店不收的付款方式",
    "warning.by_grace": "時鐘未確認時的售價", "warning.booked_second": "第二份內容，由店長入帳",
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
    "counter.stray_bytes": "個多餘位元組", "counter.reconnects": "次重新連接", "counter.stuck": "次沒有動靜",
    "counter.readings": "次讀數", "counter.not_recorded": "次讀數待寫入", "counter.refused_too_long": "個過長",
    "counter.refused_wrong_field": "個欄位錯誤", "counter.refused_not_json": "個無法讀取",
    "counter.refused_no_count": "個沒有人數", "reason.not_recorded": "人數暫存在訊息伺服器",
    "reason.sensors_offline": "感應器離線",
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

/** Whether there are words for a key. */
export function has(key) {
  return WORDS[language][key] !== undefined;
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
