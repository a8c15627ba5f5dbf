"""Currencies: the codes of ISO 4217, and the signs and words that stand for them."""

from __future__ import annotations

import re
from typing import Final

from .words import has_kana, normalize

_ALL_CODES: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD "
    "CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ "
    "GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR "
    "LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN "
    "PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS "
    "TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"
)
CODES: Final = frozenset(_ALL_CODES.split())
_WORDS: Final = {
    "EUR": "€|euros?|ευρω|евро|euroa|欧元|ユーロ|유로",
    "USD": r"us ?\$|usd\$|u\.s\. dollars?|us[- ]dollars?|доллар(?:ов|а)? сша|美元|米ドル|미국 달러",
    "GBP": "(?<![e])£|pounds? sterling|sterling|英镑|英鎊",
    "CHF": r"fr\.|sfr\.?|schweizer franken|franken|francs suisses|瑞士法郎",
    "JPY": "円|yen|日元|엔화",
    "CNY": "元|人民币|人民幣|rmb|yuan|cn¥",
    "KRW": "₩|원|won",
    "INR": r"₹|rs\.?|रु\.?|rupees?|रुपये",
    "PKR": r"rs\.?|روپے",
    "LKR": r"rs\.?",
    "SEK": "kr|kronor",
    "NOK": "kr|kroner",
    "DKK": "kr|kroner",
    "ISK": r"kr|krónur",
    "PLN": "zł|zl|złotych|złote",
    "CZK": "kč|korun",
    "HUF": "ft|forint",
    "RON": "lei|leu",
    "BGN": "лв|лева",
    "RUB": "₽|руб|рублей|рубля",
    "UAH": "₴|грн|гривень|гривен",
    "TRY": "₺|tl|türk lirasi",
    "BRL": r"r\$|reais",
    "ILS": 'ש"ח|שקל|שקלים|₪',
    "THB": "฿|บาท",
    "VND": "₫|đồng|vnđ",
    "PHP": "₱|pesos? filipinos?|philippine pesos?",
    "MYR": "rm|ringgit",
    "IDR": "rp|rupiah",
    "NGN": "₦|naira",
    "KZT": "₸|тенге",
    "AED": r"د\.إ|درهم|dirhams?|dhs",
    "SAR": r"ر\.س|ريال|﷼|sr",
    "EGP": r"e£|ج\.م|جنيه",
    "TWD": r"nt ?\$|新台幣|新臺幣",
    "HKD": r"hk ?\$|港元|港幣",
    "SGD": r"s ?\$|sg ?\$",
    "AUD": r"a ?\$|au ?\$",
    "CAD": r"c ?\$|ca ?\$|can ?\$|cdn ?\$",
    "NZD": r"nz ?\$",
    "MXN": r"mx ?\$|mex ?\$|m\.n\.|pesos mexicanos|moneda nacional",
    "ZAR": r"r(?=\s?\d)|rand",
}
_DOLLARS: Final = ("AUD", "CAD", "HKD", "NZD", "SGD", "TWD", "MXN", "BRL", "ARS", "CLP", "COP")
"""What `$` may also mean: where one of them is named, it is no US dollar."""
_CROWNS: Final = ("SEK", "NOK", "DKK", "ISK")
_DOLLAR: Final = re.compile(r"(?<![a-z])\$|\bdollars?\b")
_YEN: Final = re.compile("¥")
GLUED: Final = frozenset(
    {code.casefold() for code in CODES}
    | {"rs", "fr", "sfr", "kr", "rm", "rp", "tl", "zł", "kč", "ft", "x", "no", "nr", "n", "p", "r", "руб"}
)
"""What may stand right before a number, and leaves it one."""
_LETTER: Final = r"[^\W\d_]"


def code_of(value: str) -> str | None:
    """The currency that a text is: `EUR`, `eur`, `€`, `US$`."""
    if value.strip().upper() in CODES:
        return value.strip().upper()
    plain = normalize(value)
    found = [code for code, words in _WORDS.items() if re.fullmatch(words, plain)]
    if plain == "$":
        return "USD"
    return found[0] if len(found) == 1 else None


def places(code: str, text: str) -> list[tuple[int, int]]:
    """Where a currency stands in a normalized text, by its code, or by a sign or a word that means no other there."""
    found = [match.span() for match in _code(code).finditer(text)]
    words = _WORDS.get(code)
    if words and not (code in _CROWNS and _is_named(text, set(_CROWNS) - {code})):
        bounded = f"(?<!{_LETTER})(?:{words})(?!{_LETTER})" if words.isascii() or words[0].isalpha() else words
        found += [match.span() for match in re.finditer(bounded, text)]
        found += [match.span() for match in re.finditer(f"(?<=\\d)(?:{words})(?!{_LETTER})", text)]
    if code == "USD" and not _is_named(text, _DOLLARS):
        found += [match.span() for match in _DOLLAR.finditer(text)]
    if code == "CNY" or (code == "JPY" and (has_kana(text) or not re.search("元|人民", text))):
        found += [match.span() for match in _YEN.finditer(text) if code == "JPY" or not has_kana(text)]
    return found


def _is_named(text: str, codes: object) -> bool:
    assert isinstance(codes, set | tuple)
    return any(
        _code(code).search(text) or ("$" in _WORDS.get(code, "") and re.search(f"(?<![a-z])(?:{_WORDS[code]})", text))
        for code in codes
    )


def _code(code: str) -> re.Pattern[str]:
    return re.compile(f"(?<!{_LETTER}){code.casefold()}(?!{_LETTER})")
