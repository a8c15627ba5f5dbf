"""Kinds of values that can be checked by themselves: an IBAN by its check digits, a currency by the list of codes.

What a field expects is told by its name, its format or its description.
"""

from __future__ import annotations

import re
from typing import Any, Final

from .currency import code_of
from .words import normalize

_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z\d]{11,30}")
_REGISTRY: Final = (
    "AD=24 AE=23 AL=28 AT=20 AZ=28 BA=20 BE=16 BG=22 BH=22 BR=29 BY=28 CH=21 CR=22 CY=28 CZ=24 DE=22 DK=18 "
    "DO=28 EE=20 EG=29 ES=24 FI=18 FO=18 FR=27 GB=22 GE=22 GI=23 GL=18 GR=27 GT=28 HR=21 HU=28 IE=22 IL=23 "
    "IQ=23 IS=26 IT=27 JO=30 KW=30 KZ=20 LB=28 LC=32 LI=21 LT=20 LU=20 LV=21 MC=27 MD=24 ME=22 MK=19 MR=27 "
    "MT=31 MU=30 NL=18 NO=15 PK=24 PL=28 PS=29 PT=25 QA=29 RO=24 RS=22 SA=24 SC=31 SE=24 SI=19 SK=24 SM=27 "
    "TN=24 TR=26 UA=29 VA=22 VG=24 XK=20"
)
_LENGTHS: Final = {name: int(length) for name, length in (pair.split("=") for pair in _REGISTRY.split())}
"""The lengths of the IBAN registry (ISO 13616)."""
_BIC: Final = re.compile(r"[A-Z]{6}[A-Z\d]{2}(?:[A-Z\d]{3})?")
_TAX_NUMBER: Final = re.compile(
    r"\b(?:vat|tax|ust|steuer|tva|nif|cif|siren|siret|partita iva|p\.? ?iva|codice fiscale|btw|nip|dič|moms|gst)\b.*"
    r"\b(?:id|no|nr|num\w*|identif\w*|code|registration|reg)\b|\b(?:ust-?id|vatin|nif|cif|siren|siret|nip|dič|gstin|"
    r"ico|ein|abn|steuernummer|partita iva|codice fiscale)\b|税号|税務番号|登録番号|사업자등록번호"
)
_VAT: Final = re.compile(r"\b(?:vat|ust|tva|btw|iva|moms)\b")
"""Of a sales tax: a number of the office for income tax has slashes in Germany."""
_CURRENCY: Final = re.compile(
    r"\b(?:currency|währung|devise|moneda|valuta|moeda|waluta|měna|para birimi|валюта)\b|币种|通貨|통화"
)

_ATTENTION: Final = re.compile(
    r"(?:t\.? ?a\.? ?v|attn?|c/o|z\. ?h(?:d|\.)?|zu händen|à l'attention|a la atención|all'attenzione|do rąk)"
    r"\b(?:\.|:)?",
    re.IGNORECASE,
)
"""What begins the line for the person or the department, beneath a name."""
_PERSON: Final = re.compile(r"\b(?:contact|attention|person|department|kontakt|ansprechpartner|abteilung|afdeling)")
_TITLE: Final = re.compile(
    r"\b\w*(?:rechnung|invoice|facture|factura|fattura|factuur|faktura|receipt|quittung|credit note|gutschrift)\b.*\d"
)
"""The title of a document, with its number."""
_PARTY: Final = re.compile(
    r"\b(?:recipient|customer|buyer|client|seller|supplier|vendor|company|empfänger|kunde|käufer|lieferant|verkäufer|"
    r"destinataire|acheteur|vendeur|fournisseur|cliente|destinatario|proveedor|fornitore|afnemer|leverancier|klant|"
    r"nabywca|sprzedawca)(?: name)?$"
)

CHECK_DIGITS: Final = "check_digits"
OTHER_KIND: Final = "other_kind"


def is_iban(text: str) -> bool:
    """Whether a text is an IBAN with the length of its country and the right check digits (ISO 7064, MOD 97-10)."""
    compact = re.sub(r"[\s\-.]", "", text).upper()
    if not _IBAN.fullmatch(compact) or _LENGTHS.get(compact[:2], len(compact)) != len(compact):
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def misfit(value: Any, path: tuple[str, ...], schema: dict[str, Any]) -> str | None:
    """Why a value cannot be what its field asks for: `check_digits`, `other_kind`; `None` if it can."""
    if not isinstance(value, str):
        return None
    name = normalize(re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-./]+", " ", path[-1] if path else ""))
    about = f"{name} {schema.get('format', '')}"
    if _ATTENTION.match(normalize(value)) and not _PERSON.search(about):
        return OTHER_KIND
    if _PARTY.search(name) and _TITLE.search(normalize(value)):
        return OTHER_KIND
    if re.search(r"\biban\b", about):
        return None if is_iban(value) else CHECK_DIGITS
    if re.search(r"\b(?:bic|swift)\b", about):
        return None if _BIC.fullmatch(re.sub(r"\s", "", value).upper()) else OTHER_KIND
    if _CURRENCY.search(about):
        return None if code_of(value) else OTHER_KIND
    if _TAX_NUMBER.search(about):
        is_other = is_iban(value) or not re.search(r"\d", normalize(value)) or (_VAT.search(about) and "/" in value)
        return OTHER_KIND if is_other else None
    return None
