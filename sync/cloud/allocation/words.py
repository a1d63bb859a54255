"""What allocation says to people, by code and language. Not here: which code (sync.cloud.allocation.rules)."""

from collections.abc import Mapping

_TEXTS = {
    "chosen": (
        "Sends all of it: it stands first of those that hold everything.",
        "由此處全部出貨：在備齊所有商品的據點中排第一。",
    ),
    "chosen_part": (
        "Sends a part: no fewer than {parcels} parcels can do it.",
        "由此處出一部分：至少要分 {parcels} 件才能出齊。",
    ),
    "holds_nothing": (
        "Holds nothing of it that may be promised.",
        "沒有任何可承諾的數量。",
    ),
    "holds_too_little": (
        "Holds {held} of {sku} that may be promised, {wanted} are wanted (other goods that are short: {others}).",
        "{sku} 可承諾 {held}，需要 {wanted}（另有 {others} 項不足）。",
    ),
    "behind_priority": (
        "Comes after {other} by priority: {value}, not {best}.",
        "優先順序 {value}，排在 {other}（{best}）之後。",
    ),
    "behind_distance": (
        "Is farther than {other}: {value} km, not {best}.",
        "距離 {value} 公里，比 {other}（{best} 公里）遠。",
    ),
    "behind_age": (
        "Its goods have lain for {value} days, those of {other} for {best}.",
        "庫存放了 {value} 天，{other} 的放了 {best} 天，較舊者先出。",
    ),
    "behind_cover": (
        "Its goods last {value} days there, those of {other} {best}: it needs them itself.",
        "庫存只夠自己賣 {value} 天，{other} 夠賣 {best} 天，留給本店。",
    ),
    "behind_load": (
        "Has {value} orders to pick, {other} {best}.",
        "待揀訂單 {value} 張，{other} 只有 {best} 張。",
    ),
    "behind_unknown": (
        "Nobody knows its {criterion}; that of {other} is known.",
        "沒有此處的 {criterion} 資料，{other} 有。",
    ),
    "behind_name": (
        "Is as good as {other}, which comes first by name.",
        "條件與 {other} 相同，依代號排在後面。",
    ),
    "not_needed": (
        "Stands before {other}, but with it there would be more parcels.",
        "雖排在 {other} 之前，但用它會多分件數。",
    ),
    "not_the_store": (
        "The customer comes to another shop.",
        "顧客指定到其他門市。",
    ),
    "no_hub": (
        "Its hub was never heard.",
        "此店的 hub 從未連線。",
    ),
    "tried": (
        "Had this order already and could not fulfil it.",
        "已派過此單，無法出貨。",
    ),
    "not_for_collect": (
        "Customers cannot collect there.",
        "此處不提供顧客自取。",
    ),
    "not_on_line": (
        "Takes no web orders, as declared.",
        "依設定不接網路訂單。",
    ),
    "new": (
        "The order came in.",
        "新訂單。",
    ),
    "short": (
        "Goods were not there when it was picked.",
        "揀貨時缺貨。",
    ),
    "rejected": (
        "The place called it off.",
        "據點退回此單。",
    ),
    "overdraw": (
        "Its goods were sold in the shop; the sale at the till stands.",
        "商品已在門市售出，以現場銷售為準。",
    ),
    "not_picked": (
        "It was not picked in time.",
        "逾時未揀貨。",
    ),
    "not_granted": (
        "The place did not grant what it was asked for in time.",
        "據點未在時限內釋出所需數量。",
    ),
    "again": (
        "Goods have come, or something else has changed.",
        "有新到貨或情況改變，重新分派。",
    ),
    "asked_for": (
        "Head office asked for it.",
        "總部要求重新分派。",
    ),
    "sent": (
        "It was given to {places}.",
        "已派給 {places}。",
    ),
    "asks": (
        "Rights are short: {places} was asked for them, the order waits.",
        "可承諾數量不足：已向 {places} 索取，訂單等候中。",
    ),
    "no_place": (
        "No place holds enough of {missing}; the order waits.",
        "沒有據點備齊 {missing}，訂單等候中。",
    ),
    "too_many_parcels": (
        "All places together hold it, but not in {parcels_max} parcels; the order waits.",
        "各處合計足夠，但超過 {parcels_max} 件上限，訂單等候中。",
    ),
    "given_up": (
        "It was tried at {tries} places; a person must decide.",
        "已試過 {tries} 次，需由人員處理。",
    ),
}


def said(code: str, parts: Mapping[str, str | int]) -> dict[str, str]:
    """Return what a code says, by language."""
    english, chinese = _TEXTS[code]
    return {"en": english.format_map(parts), "zh-Hant": chinese.format_map(parts)}
