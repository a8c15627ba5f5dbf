"""Pairs of a page and a value, over scripts, languages and kinds: which stand there, and which do not.

Each is a field of a form, answered by a model for one page. A right pair must be verified and a wrong one must not.
"""

from __future__ import annotations

from typing import Any

import pytest

from operations.form.convert import clean
from operations.form.evidence import PageText
from operations.form.merge import PageValue, merge, unverified
from operations.form.schema import form_of

TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
DATE: dict[str, Any] = {"type": "string", "format": "date"}
CONTRACT = "甲方北京云海科技有限公司于2026年3月12日签署"
INVOICE = """ACME Werkzeuge GmbH
Hauptstr. 5, 10115 Berlin
Rechnung an:
Müller & Söhne KG
Kirchgasse 12
80331 München
Rechnungsnummer: RE-2026-0042 Kundennr. 77123
Rechnungsdatum: 5. Oktober 2026 Lieferdatum: 28.09.2026
Fällig am 04.11.2026
Zwischensumme 1.387,39 €
zzgl. 19 % MwSt. 263,61 €
Gesamtbetrag 1.651,00 €
IBAN DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX
USt-IdNr. DE 136 695 976 Tel. +49 (0)30 123 45-67"""

RIGHT: list[tuple[str, str, dict[str, Any], Any]] = [
    # Chinese, Japanese, Korean, Thai
    (CONTRACT, "party", TEXT, "北京云海科技有限公司"),
    (CONTRACT, "signed", DATE, "2026-03-12"),
    ("签订日期：二〇二六年三月十二日", "signed", DATE, "2026-03-12"),
    ("合同金额：人民币壹佰元整（¥１００．００）", "total", NUMBER, 100),
    ("购买方：上海贸易有\n限公司", "buyer", TEXT, "上海贸易有限公司"),
    ("注册资本：500万元", "capital", NUMBER, 5_000_000),
    ("价税合计（小写）￥1,130.00", "total", NUMBER, 1130),
    ("价税合计 ¥1,130.00 元", "currency", TEXT, "CNY"),
    ("中華民國115年3月12日", "date", DATE, "2026-03-12"),
    ("株式会社山田製作所は令和8年3月12日に納品しました", "seller", TEXT, "株式会社山田製作所"),
    ("株式会社山田製作所は令和8年3月12日に納品しました", "date", DATE, "2026-03-12"),
    ("さくら商事の田中さん", "name", TEXT, "田中"),
    ("ご請求金額 12万3,400円", "currency", TEXT, "JPY"),
    ("삼성전자는 2026년 3월 12일에 계약했다", "seller", TEXT, "삼성전자"),
    ("삼성전자는 2026년 3월 12일에 계약했다", "date", DATE, "2026-03-12"),
    ("주식회사한빛에서 발행", "seller", TEXT, "한빛"),
    ("합계 1,651,000원", "currency", TEXT, "KRW"),
    ("บริษัทกรุงไทยจำกัดลงนามวันที่ 12 มีนาคม 2569", "seller", TEXT, "กรุงไทย"),
    ("บริษัทกรุงไทยจำกัดลงนามวันที่ 12 มีนาคม 2569", "signed", DATE, "2026-03-12"),
    ("วันที่ ๑๒ มี.ค. ๒๕๖๙", "date", DATE, "2026-03-12"),
    # Arabic, Hebrew, Persian, Hindi
    ("تم البيع لشركة النور في ١٢ مارس ٢٠٢٦", "buyer", TEXT, "شركة النور"),
    ("تم البيع لشركة النور في ١٢ مارس ٢٠٢٦", "date", DATE, "2026-03-12"),
    ("الإجمالي ١٬٦٥١٫٠٠ ريال", "total", NUMBER, 1651),
    ("הוסכם בתל אביב ב-12 במרץ 2026", "city", TEXT, "תל אביב"),
    ("הוסכם בתל אביב ב-12 במרץ 2026", "date", DATE, "2026-03-12"),
    ("दिनांक १२ मार्च २०२६ को राम शर्मा", "name", TEXT, "राम शर्मा"),
    ("दिनांक १२ मार्च २०२६ को", "date", DATE, "2026-03-12"),
    ("कुल ₹1,23,456.00", "total", NUMBER, 123456),
    # the languages of Europe
    ("Berlin, den 5. Oktober 2026", "date", DATE, "2026-10-05"),
    ("Wien, 3. Jänner 2026", "date", DATE, "2026-01-03"),
    ("Fait à Lyon, le 1er août 2026", "date", DATE, "2026-08-01"),
    ("Madrid, a 12 de marzo de 2026", "date", DATE, "2026-03-12"),
    ("São Paulo, 1º de março de 2026", "date", DATE, "2026-03-01"),
    ("Milano, 12 settembre 2026", "date", DATE, "2026-09-12"),
    ("Kraków, dnia 12 października 2026 r.", "date", DATE, "2026-10-12"),
    ("V Praze dne 12. listopadu 2026", "date", DATE, "2026-11-12"),
    ("Москва, 12 марта 2026 г.", "date", DATE, "2026-03-12"),
    ("Київ, 12 березня 2026 року", "date", DATE, "2026-03-12"),
    ("ΑΘΗΝΑ, 12 Μαρτίου 2026", "city", TEXT, "Αθήνα"),
    ("Αθήνα, 12 Μαρτίου 2026", "date", DATE, "2026-03-12"),
    ("Helsingissä 12. maaliskuuta 2026", "date", DATE, "2026-03-12"),
    ("Budapest, 2026. március 12.", "date", DATE, "2026-03-12"),
    ("Vilnius, 2026 m. kovo 12 d.", "date", DATE, "2026-03-12"),
    ("Rīgā, 2026. gada 12. martā", "date", DATE, "2026-03-12"),
    ("İSTANBUL, 12 Ekim 2026", "city", TEXT, "İstanbul"),
    ("DIŞ TİCARET LTD. ŞTİ. 12 Ekim 2026'da", "seller", TEXT, "Dış Ticaret Ltd. Şti."),
    ("Amsterdam, 12 mei 2026", "date", DATE, "2026-05-12"),
    ("Stockholm den 12 maj 2026", "date", DATE, "2026-05-12"),
    ("București, 12 iunie 2026", "date", DATE, "2026-06-12"),
    ("Hà Nội, ngày 12 tháng 3 năm 2026", "date", DATE, "2026-03-12"),
    ("Jakarta, 12 Agustus 2026", "date", DATE, "2026-08-12"),
    # English, and notations
    ("Sept. 5th, 2026", "date", DATE, "2026-09-05"),
    ("Shipped 23-NOV-2026", "shipped", DATE, "2026-11-23"),
    ("Signed this 12th day of March, 2026", "signed", DATE, "2026-03-12"),
    ("03/25/2026 and 03/12/2026", "date", DATE, "2026-03-12"),
    ("From 1.10. to 31.10.2026", "start", DATE, "2026-10-01"),
    ("Billing period: March 2026", "period", TEXT, "2026-03"),
    ("Starts 12 March 2026, 2:30 pm", "start", {"type": "string", "format": "date-time"}, "2026-03-12T14:30:00Z"),
    ("The agree-\nment of Smith & Co.", "kind", TEXT, "agreement"),
    ("Acme, Inc.\nNew York", "address", TEXT, "Acme Inc, New York"),
    ("You pay USD1,651.00", "total", NUMBER, 1651),
    ("Credit 250.50-", "balance", NUMBER, -250.5),
    ("Rate 19 %", "vat_rate", NUMBER, 0.19),
    ("Revenue of 1.2 million", "revenue", NUMBER, 1_200_000),
    ("Total £5", "currency", TEXT, "GBP"),
    ("Total $5", "currency", TEXT, "USD"),
    ("Total C$5", "currency", TEXT, "CAD"),
    ("Suma 5,00 zł", "currency", TEXT, "PLN"),
    ("Celkem 5,00 Kč", "currency", TEXT, "CZK"),
    ("Total due: € 1.651,00", "total", TEXT, "1651.00 EUR"),
    ("VAT: exempt. Total 100.00", "tax", NUMBER, 0),
    ("Gemäß § 19 UStG (Kleinunternehmer) ohne Ausweis. Summe 100,00", "tax", NUMBER, 0),
    ("VAT 0 % 0.00\nTotal 100.00", "tax", NUMBER, 0),
    ("Shipping: free\nTotal 100.00", "shipping", NUMBER, 0),
    # an invoice in German
    (INVOICE, "iban", TEXT, "DE89370400440532013000"),
    (INVOICE, "bic", TEXT, "COBADEFFXXX"),
    (INVOICE, "vat_id", TEXT, "DE136695976"),
    (INVOICE, "phone", TEXT, "+4930 1234567"),
    (INVOICE, "currency", TEXT, "EUR"),
    (INVOICE, "total", NUMBER, 1651.0),
    (INVOICE, "net_amount", NUMBER, 1387.39),
    (INVOICE, "tax_amount", NUMBER, 263.61),
    (INVOICE, "tax_rate", NUMBER, 19),
    (INVOICE, "invoice_date", DATE, "2026-10-05"),
    (INVOICE, "due_date", DATE, "2026-11-04"),
    (INVOICE, "delivery_date", DATE, "2026-09-28"),
    (INVOICE, "invoice_number", TEXT, "RE-2026-0042"),
    (INVOICE, "customer_number", TEXT, "77123"),
    (INVOICE, "buyer", TEXT, "Müller & Söhne KG"),
    (INVOICE, "seller", TEXT, "ACME Werkzeuge GmbH"),
    (INVOICE, "buyer_address", TEXT, "Kirchgasse 12, 80331 München"),
]

WRONG: list[tuple[str, str, dict[str, Any], Any]] = [
    (CONTRACT, "party", TEXT, "上海云海科技有限公司"),
    (CONTRACT, "signed", DATE, "2026-12-03"),
    (CONTRACT, "party", TEXT, "京"),
    ("삼성전자서비스는 계약했다", "seller", TEXT, "삼성전자"),
    ("리삼성은", "seller", TEXT, "삼성"),
    ("リンゴジュース", "item", TEXT, "リンゴ"),
    ("รามาคำแหง", "name", TEXT, "ราม"),
    ("रामायण", "title", TEXT, "राम"),
    ("الشركاء", "name", TEXT, "شرك"),
    ("令和8年3月12日", "date", DATE, "2008-03-12"),
    ("12 มีนาคม 2569", "date", DATE, "2026-03-13"),
    ("Berlin, den 5. Oktober 2026", "date", DATE, "2026-05-10"),
    ("5.10.2026", "date", DATE, "2026-05-10"),
    ("03/25/2026 and 03/12/2026", "date", DATE, "2026-12-03"),
    ("Billing period: March 2026", "date", DATE, "2026-03-01"),
    ("1er août 2026", "date", DATE, "2026-01-08"),
    ("Order A4 of part 3f2a", "quantity", NUMBER, 4),
    ("Total 1,651.00", "total", NUMBER, 1.651),
    ("Total 1.651,00 and 12,50", "total", NUMBER, 165100),
    ("Total C$5", "currency", TEXT, "USD"),
    ("Suma 5,00 zł", "currency", TEXT, "EUR"),
    ("合計 5円", "currency", TEXT, "CNY"),
    ("USt-IdNr. DE136695976", "iban", TEXT, "DE136695976"),
    ("IBAN DE89 3704 0044 0532 0130 01", "iban", TEXT, "DE89370400440532013001"),
    ("Steuernummer: 156/230/11223", "vat_id", TEXT, "156/230/11223"),
    ("Bill to: Fern Ltd, VAT IE6388047V", "buyer_vat_number", TEXT, "Fern Ltd"),
    ("IBAN DE89 3704 0044 0532 0130 00", "vat_id", TEXT, "DE89370400440532013000"),
    ("Total 100.00", "tax", NUMBER, 0),
    (INVOICE, "total", NUMBER, 1387.39),
    (INVOICE, "total", NUMBER, 263.61),
    (INVOICE, "net_amount", NUMBER, 1651.0),
    (INVOICE, "tax_amount", NUMBER, 19),
    (INVOICE, "tax_amount", NUMBER, 1651.0),
    (INVOICE, "total", NUMBER, 2026),
    (INVOICE, "invoice_date", DATE, "2026-09-28"),
    (INVOICE, "invoice_date", DATE, "2026-11-04"),
    (INVOICE, "due_date", DATE, "2026-10-05"),
    (INVOICE, "invoice_number", TEXT, "77123"),
    (INVOICE, "seller", TEXT, "Müller & Söhne KG"),
    (INVOICE, "buyer", TEXT, "ACME Werkzeuge GmbH"),
    (INVOICE, "phone", TEXT, "+4930 1234568"),
    (INVOICE, "bic", TEXT, "DE 136 695 976"),
    (INVOICE, "currency", TEXT, "Gesamtbetrag"),
    ("Rechnungs-\nnummer", "kind", TEXT, "nummern"),
    ("Starts 12 March 2026, 2:30 am", "start", {"type": "string", "format": "date-time"}, "2026-03-12T14:30:00Z"),
]


def verified(page: str, name: str, schema: dict[str, Any], value: Any) -> bool:
    """Whether the value of the field `name` counts as verified on this page."""
    form = form_of({"type": "object", "properties": {name: schema}})
    merged = merge(form, [PageValue(PageText(1, page), clean(form, {name: value}))])
    assert merged.value[name] is not None, merged.not_understood
    return unverified(merged.evidence) == []


@pytest.mark.parametrize(("page", "name", "schema", "value"), RIGHT)
def test_a_right_value_is_verified(page: str, name: str, schema: dict[str, Any], value: Any) -> None:
    """In the script, the notation and beside the labels of the page."""
    assert verified(page, name, schema, value)


@pytest.mark.parametrize(("page", "name", "schema", "value"), WRONG)
def test_a_wrong_value_is_not_verified(page: str, name: str, schema: dict[str, Any], value: Any) -> None:
    """A part of a word, another day, another kind, or what stands beside another label."""
    assert not verified(page, name, schema, value)
