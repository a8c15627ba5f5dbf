"""Values of which a page has several, where the labels do not decide which one the field asks for."""

from __future__ import annotations

from typing import Any

import pytest

from operations.form.convert import clean
from operations.form.evidence import PageText
from operations.form.merge import PageValue, merge
from operations.form.schema import form_of

KINDS = {"number": {"type": "number"}, "date": {"type": "string", "format": "date"}, "text": {"type": "string"}}
VAT = "Montant HT 2 652,00\nTVA 5,5 % 9,90\nTVA 20 % 494,40\nTotal TTC 3 156,30\nReste à payer 2 156,30"
DISCOUNT = (
    "Summe netto 4.061,00\nabzgl. Nachlass -203,05\nZwischensumme 3.857,95\nUSt. 733,01\nRechnungsbetrag 4.590,96"
)
DATES = (
    "Invoice HL-20417 Date 14 March 2026\nYour order PO-88123 of 2 March 2026\nDespatched 10 March 2026\n"
    "Billing period 1 Feb 2026 - 28 Feb 2026\nPay by 13 April 2026"
)
TERMS = "Fällig am 06.06.2026, bei Zahlung bis 17.05.2026 mit 2 % Skonto"
COLUMNS = "Factuurnummer\nFactuurdatum\nKlantnummer\n2026.0933\n18-09-2026\nINK-2231\nAan:\nDe Groene Hof B.V."
LETTER = "Brückner Metallbau GmbH, Leipzig\nStadtwerke Pirna GmbH\nSeminarstraße 18b\n01796 Pirna\nRechnung 26-1187"
DELIVERY = "Harbour Lights Ltd\nInvoice to\nMoorland Hotels plc\nDeliver to\nThe Moorland Inn"
CREDIT = "Credit note # CN-3306\nIssued 08/21/2026\nRefers to invoice INV-29981\nof 07/30/2026\nTotal ($216.77)"
FATTURA = "Fattura n. 118/PA del 21/04/2026\nOrdine n. 4500031 del 03/04/2026, DDT 77 del 15/04/2026"
RAZEM = "Razem 7 460,00 599,80 8 059,80\nDo zapłaty: 8 059,80 PLN"
TWO_PARTIES = "Cedente/prestatore: Officine Ferri S.p.A.\nCessionario/committente: Comune di Carpi"
POLISH = "Sprzedawca:\nDrukarnia Wisła\nNIP 5830001122\nNabywca:\nMuzeum Morza\nNIP 5831112233"

ROW = (
    "Invoice number Date of issue Due date\nINV-001 01/02/2026 15/02/2026\nOrder Customer no. Amount due\nB7 K-77 5.00"
)
BANK = LETTER + "\nZahlbar sofort\nIBAN DE89 3704 0044 0532 0130 00\nTel. +49 30 1234567"
STUDIO = (
    "BrightPixel Studio\n123 Market Street, Portland\nBill To: Invoice #: 1042\n"
    "Oakwood Coffee Roasters Date: 05/14/2026\n55 Pine Ave Due Date: 06/13/2026\n"
    "Total $1,475.60\nAmount Paid $500.00\nBalance Due $975.60"
)

CERTAIN: list[tuple[str, str, str, Any]] = [
    (BANK, "seller_iban", "text", "DE89 3704 0044 0532 0130 00"),
    (BANK, "vendor_phone", "text", "+49 30 1234567"),
    (VAT, "total_ttc", "number", 3156.3),
    (ROW, "invoice_number", "text", "INV-001"),
    (STUDIO, "total_amount", "number", 1475.6),
    (STUDIO, "balance_due", "number", 975.6),
    (STUDIO, "vendor_address", "text", "123 Market Street, Portland"),
    (STUDIO, "customer_name", "text", "Oakwood Coffee Roasters"),
    (ROW, "issue_date", "date", "2026-02-01"),
    (ROW, "customer_number", "text", "K-77"),
    (ROW, "amount_due", "number", 5),
    (VAT, "total_ht", "number", 2652),
    (DISCOUNT, "gesamtbetrag", "number", 4590.96),
    (RAZEM, "do_zaplaty", "number", 8059.8),
    ("Bedrag excl. btw 1.174,00\nBtw 246,54\nTotaal 1.420,54", "bedrag_excl_btw", "number", 1174),
    (CREDIT, "total", "number", -216.77),
    ("Totale documento 5,00\nImponibile 4,00", "totale", "number", 5),
    (DATES, "invoice_date", "date", "2026-03-14"),
    (DATES, "order_date", "date", "2026-03-02"),
    (DATES, "due_date", "date", "2026-04-13"),
    (DATES, "order_number", "text", "PO-88123"),
    (TERMS, "faelligkeitsdatum", "date", "2026-06-06"),
    (FATTURA, "data_fattura", "date", "2026-04-21"),
    (FATTURA, "numero_ordine", "text", "4500031"),
    ("ÉCHÉANCE : 02/07/2026\nDate de facturation : 02/06/2026", "date_echeance", "date", "2026-07-02"),
    ("ECHEANCE : 02/07/2026\nDate de facturation : 02/06/2026", "échéance", "date", "2026-07-02"),
    (COLUMNS, "factuurnummer", "text", "2026.0933"),
    (COLUMNS, "factuurdatum", "date", "2026-09-18"),
    (COLUMNS, "klantnummer", "text", "INK-2231"),
    (COLUMNS, "afnemer", "text", "De Groene Hof B.V."),
    (LETTER, "verkaeufer", "text", "Brückner Metallbau GmbH"),
    (LETTER, "kaeufer", "text", "Stadtwerke Pirna GmbH"),
    (DELIVERY, "seller_name", "text", "Harbour Lights Ltd"),
    (DELIVERY, "buyer_name", "text", "Moorland Hotels plc"),
    (CREDIT, "credit_note_number", "text", "CN-3306"),
    (CREDIT, "original_invoice_number", "text", "INV-29981"),
    (CREDIT, "issue_date", "date", "2026-08-21"),
    (TWO_PARTIES, "cliente", "text", "Comune di Carpi"),
    (POLISH, "nip_sprzedawcy", "text", "5830001122"),
    ("Zug, 30. Juni 2026\nTotal 5.00", "invoice_date", "date", "2026-06-30"),
]
DOUBTFUL: list[tuple[str, str, str, Any]] = [
    (BANK, "buyer_iban", "text", "DE89 3704 0044 0532 0130 00"),
    (BANK, "customer_phone", "text", "+49 30 1234567"),
    (ROW, "order_number", "text", "K-77"),
    (STUDIO, "total_amount", "number", 975.6),
    (STUDIO, "vendor_name", "text", "Oakwood Coffee Roasters"),
    (STUDIO, "customer_name", "text", "BrightPixel Studio"),
    (ROW, "due_date", "date", "2026-02-01"),
    (VAT, "total_tva", "number", 9.9),
    (VAT, "total_tva", "number", 494.4),
    (VAT, "total_ttc", "number", 2156.3),
    (VAT, "total_ht", "number", 3156.3),
    (VAT, "total_ht", "number", 652),
    (RAZEM, "do_zaplaty", "number", 8),
    (DISCOUNT, "nettobetrag", "number", 4061),
    (RAZEM, "do_zaplaty", "number", 7460),
    ("Widget 30.00\nTotal 45.00\nIBAN 4711", "total", "number", 30),
    ("Montage 62,00\nGeländer 186,00", "nettobetrag", "number", 62),
    (DATES, "invoice_date", "date", "2026-03-10"),
    (DATES, "invoice_date", "date", "2026-02-28"),
    (DATES, "due_date", "date", "2026-03-14"),
    (DATES, "delivery_date", "date", "2026-03-14"),
    (DATES, "invoice_number", "text", "PO-88123"),
    (DATES, "customer_number", "text", "HL-20417"),
    (TERMS, "faelligkeitsdatum", "date", "2026-05-17"),
    (FATTURA, "data_fattura", "date", "2026-04-03"),
    (FATTURA, "data_fattura", "date", "2026-04-15"),
    (FATTURA, "numero_ordine", "text", "118/PA"),
    (FATTURA, "numero_fattura", "text", "21/04/2026"),
    ("Factura: 2026/00417", "numero_factura", "text", "2026"),
    ("Zug, 30. Juni 2026\nZahlbar innert 30 Tagen", "due_date", "date", "2026-06-30"),
    ("ECHEANCE : 02/07/2026\nDate : 02/06/2026", "date_echeance", "date", "2026-06-02"),
    (COLUMNS, "klantnummer", "text", "2026.0933"),
    (LETTER, "verkaeufer", "text", "Stadtwerke Pirna GmbH"),
    (LETTER, "kaeufer", "text", "Brückner Metallbau GmbH"),
    (DELIVERY, "buyer_name", "text", "The Moorland Inn"),
    (DELIVERY, "seller_name", "text", "The Moorland Inn"),
    (CREDIT, "credit_note_number", "text", "INV-29981"),
    (CREDIT, "original_invoice_number", "text", "CN-3306"),
    (CREDIT, "original_invoice_date", "date", "2026-08-21"),
    (TWO_PARTIES, "cliente", "text", "Officine Ferri S.p.A."),
    (POLISH, "nip_sprzedawcy", "text", "5831112233"),
]


def entry(page: str, name: str, kind: str, value: Any) -> dict[str, Any]:
    """The evidence of a field that a model has answered so."""
    form = form_of({"type": "object", "properties": {name: KINDS[kind]}})
    found = merge(form, [PageValue(PageText(1, page), clean(form, {name: value}))])
    return found.evidence[f"/{name}"]


@pytest.mark.parametrize(("page", "name", "kind", "value"), CERTAIN)
def test_a_value_that_the_labels_decide_for_is_verified(page: str, name: str, kind: str, value: Any) -> None:
    """By a label before or above it, or because nothing else can be meant."""
    assert entry(page, name, kind, value)["verified"]


@pytest.mark.parametrize(("page", "name", "kind", "value"), DOUBTFUL)
def test_a_value_beside_which_others_may_be_meant_is_not(page: str, name: str, kind: str, value: Any) -> None:
    """The evidence says why."""
    found = entry(page, name, kind, value)
    assert not found["verified"]
    assert found["reason"] in ("label", "ambiguous")


def test_a_sum_decides_between_amounts_without_labels() -> None:
    """Net, tax and total confirm each other, and another net amount does not."""
    fields = dict.fromkeys(("net", "tax", "total"), KINDS["number"])
    form = form_of({"type": "object", "properties": fields})
    page = PageText(1, "Goods and carriage\nLevy\nIn all\n839.00\n167.80\n1,006.80\n35.00")
    right = merge(form, [PageValue(page, clean(form, {"net": 839, "tax": 167.8, "total": 1006.8}))])
    wrong = merge(form, [PageValue(page, clean(form, {"net": 35, "tax": 167.8, "total": 1006.8}))])
    assert [each["verified"] for each in right.evidence.values()] == [True] * 3
    assert [each["verified"] for each in wrong.evidence.values()] == [False] * 3
