"""The ten invoices of `bench.invoices`: what stands on each, and what is right for each of its fields.

No two have the same layout or language, except English. Each has something beside what is asked for that looks like
it: another party's number, a second date, a net sum, a page before.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Table, TableStyle

FONT: Final = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
"""With the letters of all these languages; the package is fonts-dejavu-core."""

Text = tuple[float, float, str]
"""Points from the left and from the top, and lines."""
Grid = tuple[float, float, list[list[str]], bool]
"""Points from the left and from the top, the rows of a table, and whether it has rules."""

TEXT: Final = {"type": "string"}
NUMBER: Final = {"type": "number"}
DATE: Final = {"type": "string", "format": "date"}


@dataclass(frozen=True)
class Invoice:
    """A document, as pages of texts and tables in the order of the file, and the answers."""

    name: str
    pages: tuple[list[Text | Grid], ...]
    answers: dict[str, tuple[dict[str, str], Any]]
    """By a field's name: the schema, and the value, several that are as right, or None where the page does not tell."""

    def schema(self) -> dict[str, Any]:
        """The JSON Schema that `extract` is sent."""
        return {"type": "object", "properties": {name: schema for name, (schema, _) in self.answers.items()}}

    def pdf(self) -> bytes:
        """The file."""
        file = io.BytesIO()
        if "DejaVu" not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont("DejaVu", FONT))
        canvas = Canvas(file, pagesize=A4, invariant=True)
        for page in self.pages:
            for part in page:
                _draw(canvas, part)
            canvas.showPage()
        canvas.save()
        return file.getvalue()


def _draw(canvas: Canvas, part: Text | Grid) -> None:
    if len(part) == 3:
        canvas.setFont("DejaVu", 9)
        for row, line in enumerate(part[2].split("\n")):
            canvas.drawString(part[0], A4[1] - part[1] - 12 * row, line)
        return
    x, top, rows, ruled = part
    style = TableStyle([("FONT", (0, 0), (-1, -1), "DejaVu", 9), ("ALIGN", (1, 0), (-1, -1), "RIGHT")])
    if ruled:
        style.add("GRID", (0, 0), (-1, -1), 0.5, colors.black)
    table = Table(rows, style=style)
    _, height = table.wrapOn(canvas, *A4)
    table.drawOn(canvas, x, A4[1] - top - height)


INVOICES: Final = (
    Invoice(
        "english",
        (
            [
                (60, 60, "Harbour Lights Ltd\n4 Quay Street, Bristol BS1 4DJ\nVAT Reg No GB 123 4567 82"),
                (400, 60, "INVOICE\nInvoice No. HL-20417\nDate 14 March 2026\nPayment terms 30 days"),
                (60, 130, "Invoice to\nMoorland Hotels plc\n81 High Road\nExeter EX2 7AB"),
                (330, 130, "Deliver to\nThe Moorland Inn\n2 Tor Lane\nTavistock PL19 8AA"),
                (60, 190, "Your order PO-88123 of 2 March 2026. Account no. 40317. Despatched 10 March 2026."),
                (
                    60,
                    215,
                    [
                        ["Description", "Qty", "Unit price", "Amount"],
                        ["Brass lantern", "12", "48.50", "582.00"],
                        ["Wall bracket", "24", "9.25", "222.00"],
                        ["Carriage", "1", "35.00", "35.00"],
                    ],
                    True,
                ),
                (360, 330, "Goods and carriage\nVAT @ 20%\nAmount due"),
                (480, 330, "£839.00\n£167.80\n£1,006.80"),
                (60, 420, "Pay to: IBAN GB29 NWBK 6016 1331 9268 19, BIC NWBKGB2L"),
            ],
        ),
        {
            "invoice_number": (TEXT, "HL-20417"),
            "invoice_date": (DATE, "2026-03-14"),
            "due_date": (DATE, (None, "2026-04-13")),
            "order_number": (TEXT, "PO-88123"),
            "seller_name": (TEXT, "Harbour Lights Ltd"),
            "buyer_name": (TEXT, "Moorland Hotels plc"),
            "net_amount": (NUMBER, 839),
            "vat_amount": (NUMBER, 167.8),
            "total": (NUMBER, 1006.8),
            "buyer_vat_id": (TEXT, None),
        },
    ),
    Invoice(
        "german",
        (
            [
                (60, 50, "Brückner Metallbau GmbH · Werkstraße 8 · 04177 Leipzig"),
                (60, 80, "Firma\nStadtwerke Pirna GmbH\nFrau Köhler\nSeminarstraße 18b\n01796 Pirna"),
                (380, 80, "Rechnung"),
                (380, 100, "Rechnungs-Nr.: 26-1187\nKunden-Nr.: 10442\nAuftrags-Nr.: A-5531\nDatum: 07.05.2026"),
                (380, 150, "Leistungszeitraum: 01.04.2026 - 30.04.2026"),
                (
                    60,
                    190,
                    [
                        ["Pos.", "Bezeichnung", "Menge", "EP €", "Gesamt €"],
                        ["1", "Geländer, feuerverzinkt", "14,50 m", "186,00", "2.697,00"],
                        ["2", "Montage", "22 Std.", "62,00", "1.364,00"],
                    ],
                    False,
                ),
                (340, 290, "Summe netto"),
                (470, 290, "4.061,00 €"),
                (340, 304, "abzgl. 5 % Nachlass"),
                (470, 304, "-203,05 €"),
                (340, 318, "Zwischensumme"),
                (470, 318, "3.857,95 €"),
                (340, 332, "zzgl. 19 % USt."),
                (470, 332, "733,01 €"),
                (340, 346, "Rechnungsbetrag"),
                (470, 346, "4.590,96 €"),
                (60, 390, "Zahlbar bis 06.06.2026 ohne Abzug, bei Zahlung bis 17.05.2026 mit 2 % Skonto."),
                (60, 780, "Sparkasse Leipzig\nIBAN DE89 3704 0044 0532 0130 00\nBIC COBADEFFXXX"),
                (300, 780, "USt-IdNr. DE 136695976\nSteuernr. 232/105/00417\nHRB 20117 Leipzig"),
            ],
        ),
        {
            "rechnungsnummer": (TEXT, "26-1187"),
            "rechnungsdatum": (DATE, "2026-05-07"),
            "faelligkeitsdatum": ({**DATE, "description": "Zahlbar bis, ohne Skonto"}, "2026-06-06"),
            "kundennummer": (TEXT, "10442"),
            "verkaeufer": (TEXT, "Brückner Metallbau GmbH"),
            "kaeufer": (TEXT, ("Stadtwerke Pirna GmbH", "Firma Stadtwerke Pirna GmbH")),
            "nettobetrag": ({**NUMBER, "description": "Summe vor Steuer, nach Nachlass"}, 3857.95),
            "steuerbetrag": (NUMBER, 733.01),
            "gesamtbetrag": (NUMBER, 4590.96),
            "lieferscheinnummer": (TEXT, None),
        },
    ),
    Invoice(
        "french",
        (
            [
                (60, 60, "FACTURE N° F2026-0318"),
                (60, 90, "Émetteur :\nAtelier Lemoine SARL\n12 rue des Tanneurs\n69005 Lyon\nSIRET 552 100 554 00017"),
                (
                    320,
                    90,
                    "Adressé à :\nMairie de Villefranche\nService des achats\n183 rue de la Paix\n69400 Villefranche",
                ),
                (60, 180, "Date de facturation : 02/06/2026\nDate de livraison : 28/05/2026"),
                (320, 180, "Bon de commande : BC-7719\nRéf. client : 4471"),
                (
                    60,
                    220,
                    [
                        ["Désignation", "Qté", "P.U. HT", "TVA", "Montant HT"],
                        ["Banc public en chêne", "6", "412,00", "20 %", "2 472,00"],
                        ["Livres sur le bois", "10", "18,00", "5,5 %", "180,00"],
                    ],
                    True,
                ),
                (
                    300,
                    310,
                    [
                        ["Total HT", "2 652,00 €"],
                        ["TVA 5,5 % sur 180,00", "9,90 €"],
                        ["TVA 20 % sur 2 472,00", "494,40 €"],
                        ["Total TTC", "3 156,30 €"],
                        ["Acompte versé", "-1 000,00 €"],
                        ["Reste à payer", "2 156,30 €"],
                    ],
                    True,
                ),
                (60, 450, "Arrêtée la présente facture à la somme de trois mille cent cinquante-six euros trente."),
                (60, 470, "Échéance : 02/07/2026. IBAN FR14 2004 1010 0505 0001 3M02 606"),
            ],
        ),
        {
            "numero_facture": (TEXT, ("F2026-0318", "N° F2026-0318")),
            "date_facture": (DATE, "2026-06-02"),
            "date_echeance": (DATE, "2026-07-02"),
            "numero_commande": (TEXT, "BC-7719"),
            "vendeur": (TEXT, "Atelier Lemoine SARL"),
            "client": (TEXT, ("Mairie de Villefranche", "Mairie de Villefranche, Service des achats")),
            "total_ht": (NUMBER, 2652),
            "total_tva": ({**NUMBER, "description": "Somme des taxes"}, (504.3, None)),
            "total_ttc": (NUMBER, 3156.3),
            "bic": (TEXT, None),
        },
    ),
    Invoice(
        "spanish",
        (
            [
                (60, 60, "Conservas del Cantábrico, S.L.\nPolígono La Vega, nave 3\n39300 Torrelavega\nCIF B39012345"),
                (330, 60, "CLIENTE\nMercados Unidos, S.A.\nCalle Mayor 44, 2º\n28013 Madrid\nCIF A28765432"),
                (60, 140, "Factura: 2026/00417     Fecha: 9 de febrero de 2026     Pedido: 55120     Albarán: 9987"),
                (
                    60,
                    170,
                    [
                        ["Código", "Artículo", "Cantidad", "Precio", "Importe"],
                        ["A-10", "Anchoas 00, lata", "240", "3,85", "924,00"],
                        ["B-22", "Bonito del norte", "120", "4,40", "528,00"],
                    ],
                    True,
                ),
                (60, 270, "Base imponible      IVA 10 %      Total factura"),
                (60, 284, "1.452,00            145,20        1.597,20"),
                (60, 320, "Forma de pago: transferencia a 60 días fecha factura\nIBAN ES91 2100 0418 4502 0005 1332"),
            ],
        ),
        {
            "numero_factura": (TEXT, "2026/00417"),
            "fecha_factura": (DATE, "2026-02-09"),
            "fecha_vencimiento": (DATE, (None, "2026-04-10")),
            "vendedor_nombre": (TEXT, ("Conservas del Cantábrico, S.L.", "Conservas del Cantábrico")),
            "comprador_nombre": (TEXT, ("Mercados Unidos, S.A.", "Mercados Unidos")),
            "vendedor_cif": (TEXT, "B39012345"),
            "comprador_cif": (TEXT, "A28765432"),
            "base_imponible": (NUMBER, 1452),
            "total": (NUMBER, 1597.2),
            "moneda": (TEXT, None),
        },
    ),
    Invoice(
        "italian",
        (
            [
                (
                    60,
                    50,
                    "Cedente/prestatore: Officine Ferri S.p.A., via Emilia 210, 41121 Modena, P.IVA IT02345670363",
                ),
                (60, 64, "Cessionario/committente: Comune di Carpi, corso Alberto Pio 91, 41012 Carpi"),
                (60, 78, "Codice fiscale cessionario: 00184280360"),
                (60, 100, "Fattura n. 118/PA del 21/04/2026"),
                (60, 114, "Ordine n. 4500031 del 03/04/2026, CIG ZA1234567F, DDT 77 del 15/04/2026"),
                (
                    60,
                    140,
                    [
                        ["Descrizione", "Q.tà", "Prezzo unitario", "Importo"],
                        ["Manutenzione scuolabus", "3", "640,00", "1.920,00"],
                        ["Pneumatici invernali", "12", "95,50", "1.146,00"],
                    ],
                    False,
                ),
                (300, 230, "Imponibile 3.066,00\nIVA 22% (scissione dei pagamenti) 674,52\nTotale documento 3.740,52"),
                (300, 266, "Netto a pagare EUR 3.066,00"),
                (60, 310, "Scadenza: 21/05/2026 bonifico IBAN IT60 X054 2811 1010 0000 0123 456"),
            ],
        ),
        {
            "numero_fattura": (TEXT, "118/PA"),
            "data_fattura": (DATE, "2026-04-21"),
            "data_scadenza": (DATE, "2026-05-21"),
            "numero_ordine": (TEXT, "4500031"),
            "fornitore": (TEXT, "Officine Ferri S.p.A."),
            "cliente": (TEXT, "Comune di Carpi"),
            "imponibile": (NUMBER, 3066),
            "iva": (NUMBER, 674.52),
            "totale_documento": (NUMBER, 3740.52),
            "partita_iva_cliente": (TEXT, None),
        },
    ),
    Invoice(
        "dutch",
        (
            [
                (60, 60, "Factuur"),
                (60, 84, "Factuurnummer\nFactuurdatum\nVervaldatum\nKlantnummer\nUw referentie"),
                (170, 84, "2026.0933\n18-09-2026\n02-10-2026\nD10045\nINK-2231"),
                (340, 84, "Aan:\nDe Groene Hof B.V.\nt.a.v. crediteuren\nPostbus 112\n3500 AC Utrecht"),
                (
                    60,
                    170,
                    [
                        ["Omschrijving", "Aantal", "Tarief", "Btw", "Bedrag"],
                        ["Snoeiwerk beuken", "16 uur", "€ 54,00", "21%", "€ 864,00"],
                        ["Plantgoed", "1", "€ 310,00", "9%", "€ 310,00"],
                    ],
                    False,
                ),
                (340, 260, "Bedrag excl. btw € 1.174,00\nBtw 9% € 27,90\nBtw 21% € 181,44\nTe betalen € 1.383,34"),
                (60, 340, "Gelieve te betalen op NL91 ABNA 0417 1643 00 t.n.v. Boomzorg Rijnland V.O.F."),
                (60, 354, "KvK 28104455   Btw-id NL001234567B01"),
            ],
        ),
        {
            "factuurnummer": (TEXT, "2026.0933"),
            "factuurdatum": (DATE, "2026-09-18"),
            "vervaldatum": (DATE, "2026-10-02"),
            "klantnummer": (TEXT, "D10045"),
            "leverancier": (TEXT, "Boomzorg Rijnland V.O.F."),
            "afnemer": (TEXT, "De Groene Hof B.V."),
            "bedrag_excl_btw": (NUMBER, 1174),
            "totaal": (NUMBER, 1383.34),
            "iban": (TEXT, "NL91 ABNA 0417 1643 00"),
            "leverdatum": (DATE, None),
        },
    ),
    Invoice(
        "polish",
        (
            [
                (60, 60, "Faktura VAT nr FV/114/08/2026\nData wystawienia: 2026-08-12\nData sprzedaży: 2026-08-10"),
                (60, 110, "Sprzedawca:\nDrukarnia Wisła Sp. z o.o.\nul. Długa 7, 80-827 Gdańsk\nNIP 5830001122"),
                (320, 110, "Nabywca:\nMuzeum Morza\nul. Ołowianka 9-13, 80-751 Gdańsk\nNIP 5831112233"),
                (
                    60,
                    180,
                    [
                        ["Nazwa", "Ilość", "Cena netto", "Wartość netto", "VAT", "Wartość brutto"],
                        ["Album wystawy", "200", "31,00", "6 200,00", "5%", "6 510,00"],
                        ["Plakat B1", "150", "8,40", "1 260,00", "23%", "1 549,80"],
                        ["Razem", "", "", "7 460,00", "599,80", "8 059,80"],
                    ],
                    True,
                ),
                (60, 300, "Do zapłaty: 8 059,80 PLN\nSłownie: osiem tysięcy pięćdziesiąt dziewięć złotych 80/100"),
                (60, 330, "Termin płatności: 14 dni, przelew: PL61 1090 1014 0000 0712 1981 2874"),
            ],
        ),
        {
            "numer_faktury": (TEXT, ("FV/114/08/2026", "nr FV/114/08/2026")),
            "data_wystawienia": (DATE, "2026-08-12"),
            "termin_platnosci": (DATE, (None, "2026-08-26")),
            "sprzedawca": (TEXT, "Drukarnia Wisła Sp. z o.o."),
            "nabywca": (TEXT, "Muzeum Morza"),
            "nip_sprzedawcy": (TEXT, "5830001122"),
            "nip_nabywcy": (TEXT, "5831112233"),
            "wartosc_netto": (NUMBER, 7460),
            "do_zaplaty": (NUMBER, 8059.8),
            "numer_zamowienia": (TEXT, None),
        },
    ),
    Invoice(
        "credit-note",
        (
            [
                (60, 60, "Northwind Paper Company\n900 Mill Road, Portland, ME 04101"),
                (380, 60, "CREDIT NOTE\nCredit note # CN-3306\nIssued 08/21/2026\nRefers to invoice INV-29981"),
                (380, 120, "of 07/30/2026\nCustomer ID 7715"),
                (60, 130, "Customer:\nSilver Birch Schools\n15 Lake Avenue\nBurlington, VT 05401"),
                (
                    60,
                    200,
                    [
                        ["Item", "Returned", "Price", "Credit"],
                        ["Drawing paper A2, ream", "8", "$22.00", "($176.00)"],
                        ["Tissue, assorted", "3", "$9.50", "($28.50)"],
                    ],
                    True,
                ),
                (360, 290, "Subtotal ($204.50)\nSales tax 6% ($12.27)\nTotal credit ($216.77)"),
                (60, 360, "The credit is set off against your next invoice; original total $1,412.09."),
            ],
        ),
        {
            "credit_note_number": (TEXT, "CN-3306"),
            "issue_date": (DATE, "2026-08-21"),
            "original_invoice_number": (TEXT, "INV-29981"),
            "original_invoice_date": (DATE, "2026-07-30"),
            "seller": (TEXT, "Northwind Paper Company"),
            "customer": (TEXT, "Silver Birch Schools"),
            "subtotal": (NUMBER, (-204.5, 204.5)),
            "sales_tax": (NUMBER, (-12.27, 12.27)),
            "total": (NUMBER, (-216.77, 216.77)),
            "due_date": (DATE, None),
        },
    ),
    Invoice(
        "two-pages",
        (
            [
                (60, 60, "Kestrel Cloud Inc. — Statement of charges\nBill-to account 00-7741-2203"),
                (60, 100, "Bill to: Fern & Fable Publishing, 30 Canal Walk, Dublin D02 X285, VAT IE6388047V"),
                (60, 120, "Invoice ID KC-2026-11-55107\nBilling period 1 Oct 2026 - 31 Oct 2026"),
                (300, 120, "Invoice date 3 Nov 2026\nDue 18 Nov 2026"),
                (
                    60,
                    170,
                    [
                        ["Service", "Usage", "Charge (USD)"],
                        ["Compute", "1,440 h", "604.80"],
                        ["Storage", "2,000 GB", "46.00"],
                        ["Page total", "", "650.80"],
                    ],
                    False,
                ),
            ],
            [
                (60, 60, "Kestrel Cloud Inc. — KC-2026-11-55107, page 2"),
                (
                    60,
                    90,
                    [
                        ["Carried forward", "", "650.80"],
                        ["Egress", "310 GB", "24.80"],
                        ["Support plan", "1", "100.00"],
                        ["Charges before tax", "", "775.60"],
                        ["VAT (reverse charge)", "0%", "0.00"],
                        ["Credits applied", "", "-50.00"],
                        ["Balance due", "", "725.60"],
                    ],
                    False,
                ),
                (60, 260, "Remit to Kestrel Cloud Inc., 1 Harbor Plaza, Boston MA 02110. EIN 04-3312445."),
            ],
        ),
        {
            "invoice_number": (TEXT, "KC-2026-11-55107"),
            "invoice_date": (DATE, "2026-11-03"),
            "due_date": (DATE, "2026-11-18"),
            "seller_name": (TEXT, "Kestrel Cloud Inc."),
            "buyer_name": (TEXT, "Fern & Fable Publishing"),
            "buyer_vat_number": (TEXT, "IE6388047V"),
            "currency": (TEXT, ("USD", "US dollar")),
            "amount_due": (NUMBER, 725.6),
            "tax": (NUMBER, 0),
            "purchase_order": (TEXT, None),
        },
    ),
    Invoice(
        "swiss",
        (
            [
                (60, 60, "Alpenblick Treuhand AG\nBahnhofstrasse 21\n6300 Zug\nCHE-116.281.710 MWST"),
                (60, 130, "Seilbahn Engelberg AG\nHerr U. Amstutz\nGerschnistrasse 12\n6390 Engelberg"),
                (60, 200, "Zug, 30. Juni 2026"),
                (60, 220, "Honorarrechnung 4471-06\nMandat 208, Jahresabschluss 2025"),
                (
                    60,
                    250,
                    [
                        ["Leistung", "Stunden", "Ansatz", "CHF"],
                        ["Revision", "18.5", "210.00", "3'885.00"],
                        ["Steuererklärung", "6.0", "180.00", "1'080.00"],
                        ["Spesen", "", "", "124.40"],
                    ],
                    False,
                ),
                (60, 350, "Total exkl. MWST                          5'089.40"),
                (60, 364, "MWST 8.1%                                     412.24"),
                (60, 378, "Total inkl. MWST                          5'501.64"),
                (60, 410, "Zahlbar innert 30 Tagen netto auf CH93 0076 2011 6238 5295 7 bei der Kantonalbank."),
            ],
        ),
        {
            "invoice_number": (TEXT, ("4471-06", "Honorarrechnung 4471-06")),
            "invoice_date": (DATE, "2026-06-30"),
            "due_date": (DATE, (None, "2026-07-30")),
            "issuer": (TEXT, "Alpenblick Treuhand AG"),
            "recipient": (TEXT, "Seilbahn Engelberg AG"),
            "currency": (TEXT, ("CHF",)),
            "net": (NUMBER, 5089.4),
            "vat": (NUMBER, 412.24),
            "gross": (NUMBER, 5501.64),
            "customer_number": (TEXT, None),
        },
    ),
)
