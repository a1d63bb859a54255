/** Every word of the fleet's page, in both languages: the same keys in both (a test compares them). */

import { currentLanguage, filled } from "/fleet/language.js";

export const WORDS = {
  en: {
    title: "Fleet", otherLanguage: "中文", forget: "Sign out", token: "Head office's token", open: "Open",
    tokenWhere: "One of [[tokens]] in cloud.toml. It is kept for this window only.", refusedToken: "The cloud does not know this token.",
    away: "The cloud does not answer; asked again every few seconds.", asked: "as of {0}", search: "Find a store or a version",
    all: "all stores", trouble: "with trouble", sort: "Sort by {0}", found: "{0} of {1} stores", none: "No store is so.",
    store: "Store", state: "Line", contact: "Last contact", behind: "Behind", clock: "Clock", copies: "Copies", disputes: "Disputes",
    overdraws: "Overdraws", differences: "Rights differ", software: "Version", act: "Act",
    "state.up": "up", "state.resting": "resting", "state.shut": "shut out", "state.down": "down", "state.never": "never heard of",
    rows: "{0} rows", unknown: "–", oneCopy: "one copy", twoCopies: "{0} copies", unsure: "unsure",
    exposure: "Exposure", coupons: "{0} coupons {1}", points: "{0} points", pieces: "{0} pieces",
    sealed: "Give up machine…", revoke: "Shut out…", why: "Why, for the record", cancel: "Cancel",
    sealTitle: "Give up the machine of {0}", revokeTitle: "Shut {0} out",
    sealWhat: "For a machine that is lost or destroyed. What {1} has not sent is lost; should it come back it begins anew. This cannot be undone.",
    revokeWhat: "All tokens of {0} are worth nothing from now on, and its line is cut. It comes back by a new code: storehub cloud enrol {0}",
    revokeAsked: "All tokens of {0} are worth nothing from now on, and the cloud asks it no more. It comes back by a new hub_token in cloud.toml: storehub pair --scope cloud",
    typeName: "Type {0} to go on", seal: "Give it up", shut: "Shut it out", done: "Done.", failed: "The cloud refused: {0}",
  },
  "zh-Hant": {
    title: "門市總覽", otherLanguage: "English", forget: "登出", token: "總公司權杖", open: "開啟",
    tokenWhere: "cloud.toml 的 [[tokens]] 之一，只在此視窗保留。", refusedToken: "雲端不認得這個權杖。",
    away: "雲端沒有回應，每隔幾秒再問一次。", asked: "{0} 的狀況", search: "搜尋門市或版本",
    all: "全部門市", trouble: "有問題的", sort: "依{0}排序", found: "{1} 家門市中的 {0} 家", none: "沒有這樣的門市。",
    store: "門市", state: "線路", contact: "最後聯絡", behind: "落後", clock: "時鐘", copies: "備份", disputes: "爭議",
    overdraws: "超賣", differences: "權利不符", software: "版本", act: "處理",
    "state.up": "連線中", "state.resting": "排程休息", "state.shut": "已停用", "state.down": "斷線", "state.never": "從未聯絡",
    rows: "{0} 筆", unknown: "–", oneCopy: "僅一份", twoCopies: "{0} 份", unsure: "不確定",
    exposure: "曝險", coupons: "{0} 張券 {1}", points: "{0} 點", pieces: "{0} 件",
    sealed: "放棄主機…", revoke: "停用門市…", why: "原因（留作紀錄）", cancel: "取消",
    sealTitle: "放棄 {0} 的主機", revokeTitle: "停用 {0}",
    sealWhat: "用於遺失或損毀的主機。{1} 尚未送出的資料將會遺失；若它再出現，會重新開始。此動作無法復原。",
    revokeWhat: "{0} 的所有權杖立即失效，線路中斷。需要新代碼才能再連線：storehub cloud enrol {0}",
    revokeAsked: "{0} 的所有權杖立即失效，雲端不再向它索取資料。需要在 cloud.toml 寫入新的 hub_token 才能再連線：storehub pair --scope cloud",
    typeName: "輸入 {0} 以繼續", seal: "放棄", shut: "停用", done: "完成。", failed: "雲端拒絕：{0}",
  },
};

/** @param {string} key @param {...(string|number)} parts @returns {string} */
export function w(key, ...parts) {
  return filled(WORDS[currentLanguage()][key] ?? key, parts);
}
