"""The words that label values on documents, by group and concept, in many languages: patterns of normalized text.

Written for `labels`, from the forms and invoices of the languages; `tests/operations/form` has examples of each group.
Words of Chinese, Japanese, Korean and Thai stand anywhere in a line, the others as words.
"""

from __future__ import annotations

from typing import Final

AMOUNTS: Final = {
    "carried": (
        r"(?:carried|brought) (?:forward|over)|[bc]/f|balance (?:forward|b/f)|(?:sub)?total carried|"
        r"page (?:sub)?total|(?:total|subtotal|sum)(?: of| for)?(?: this)? page|übertrag\w*|seiten(?:summe|total)|"
        r"(?:à )?reporte?r?|report page|total (?:de la )?page|(?:a )?riport\w+|suma (?:y sigue|anterior)|"
        r"suma y sigue|saldo anterior|arrastre|(?:a )?transportar|transporte?|over te (?:dragen|brengen)|(?:do|"
        r"z) przeniesienia|suma strony|převod|k přenosu|delsumma att överföra|transport(?:eres|eras)|overført|"
        r"siirto(?:a|o)?|átvitel|áthozat|de reportat|перенос\w*|итого (?:по|на) (?:странице|листе?)|nakli yekün|"
        r"devreden|εισ μεταφορα|εκ μεταφορασ|承前\w?|[过過转轉][次下][页頁]|接下[页頁]|[本每][页頁](?:小|"
        r"合)?[计計]|前[页頁]|次[ペ頁]|繰越\w*|ページ計|이월\w*|페이지 합계|منقول|مرحل|ما قبله|previous balance"
    ),
    "subtotal": (
        r"sub-?\s?total|zwischensumme|sous-?\s?total|subtotale|subtotaal|tussentotaal|suma częściowa|mezisoučet|"
        r"delsumm?a|välisumma|részösszeg|промежуточный итог|подытог|ara toplam|小[计計]|소계|المجموع الفرعي|"
        r"μερικο συνολο"
    ),
    "net": (
        r"net(?:t|to)?(?: (?:total|amount|value|sum))?|nettobetrag|netto\w*|montant ht|total ht|\bht\b|"
        r"hors taxes?|base imponible|base|imponibile|valor líquido|"
        r"bedrag excl\w*\.?(?: btw)?|wartość netto|základ daně|"
        r"без ндс|сумма без|matrah|税抜\w*|不含税\w*|金额合计|공급가액|(?:excl(?:\.|uding|usive)?|exkl\.?|ohne|"
        r"before|senza|sem|sin)(?: of)?(?: \d+[.,]?\d* ?%)? (?:vat|tax|mwst|ust|tva|iva|btw|moms|gst|sales tax)|"
        r"taxable (?:amount|value)|umsatz netto|καθαρη αξια"
    ),
    "tax": (
        r"(?:sales |value added |output )?tax(?:es)?|vat|gst|hst|pst|qst|mwst\.?|mehrwertsteuer|ust\.?|"
        r"umsatzsteuer|steuer|steuerbetrag|tva|taxes?|iva|igic|imposta|impuesto|imposto|btw|ptu|podatek|dph|moms|"
        r'mva|alv|áfa|ндс|пдв|ддс|kdv|φπα|税[额額金]?|消費税|增值税|부가세|세액|부가가치세|ضريبة|מע"?מ|pvn|pvm|km'
    ),
    "discount": (
        r"discount|rebate|rabatt|skonto|nachlass|remise|rabais|escompte|sconto|descuento|desconto|korting|rabat|"
        r"sleva|rabatt\w*|alennus|скидка|indirim|折扣|値引|할인|خصم"
    ),
    "shipping": (
        r"shipping(?: costs?)?|freight|postage|delivery (?:cost|charge|fee)s?|versand(?:kosten)?|porto|fracht|"
        r"frais de (?:port|livraison)|spese di (?:spedizione|trasporto)|gastos de envío|portes|verzendkosten|"
        r"frakt|doprava|доставка|运费|運費|送料|배송비"
    ),
    "paid": (
        r"(?:amount |already |total )?paid|deposit|prepa(?:id|yment)|anzahlung|bereits (?:ge|be)zahlt|acompte|"
        r"déjà payé|acconto|anticipo|betaald|zaplaceno|zapłacono|betalt|оплачено|ödenen|已付\w*|入金|선급금|"
        r"payments? received"
    ),
    "total": (
        r"(?:grand |overall |invoice )?total(?:e|i|en|t)?(?: (?:amount|due|sum))?|(?:amount|balance|sum) (?:due|"
        r"payable|owed)|amount to (?:pay|be paid)|to(?: be)? pa(?:y|id)|due now|gesamt(?:betrag|summe|preis)?|"
        r"(?:end|rechnungs|zahl)(?:betrag|summe)|brutto\w*|summe|zu zahlen\w*|à payer|net à payer|"
        r"montant (?:total|dû|ttc)|\bttc\b|importe(?: total)?|total a pagar|(?:totale )?da pagare|importo|a pagar|"
        r"te betalen|totaal(?:bedrag)?|razem|do zapłaty|suma|ogółem|celkem|k úhradě|att betala|summa|å betale|"
        r"at betale|i alt|maksettava\w*|yhteensä|fizetendő|végösszeg|de plată|итого\w*|всего|к оплате|сумма|"
        r"усього|разом|общо|genel toplam|ödenecek\w*|toplam|συνολο|πληρωτεο|(?:价[税稅])?[合总總][计計額额]|"
        r"应付\w*|應付\w*|ご?請求(?:金)?額|お支払\w*|합계\w*|총액|총 금액|청구금액|الإجمالي|المجموع|اجمالي|"
        r"الاجمالي|gross(?: (?:amount|total))?|कुल|ยอดรวม\w*|รวมทั้งสิ้น|tổng cộng|jumlah"
    ),
    "quantity": (r"qty|quantity|menge|anzahl|quantité|qté|cantidad|quantità|aantal|ilość|количество|数量|수량"),
    "price": (
        r"unit price|price|einzelpreis|stückpreis|prix unitaire|precio|prezzo|preço|prijs|cena|цена|单价|單價|"
        r"単価|단가"
    ),
}
DATES: Final = {
    "due": (
        r"due(?: date| on| by)?|payable (?:by|until|on)|pa(?:y|yment) (?:by|due|until|before)|fällig\w*|"
        r"zahlbar(?: bis)?|zahlungsziel|bis zum|échéance|à payer avant|(?:data )?scadenza|vencimiento|vence|"
        r"vencimento|vervald\w+|te betalen voor|termin (?:płatności|zapłaty)|splatnost\w*|förfall\w*|forfald\w*|"
        r"eräpäivä|fizetési határidő|срок оплаты|оплатить до|son ödeme\w*|vade\w*|scadent\w*|付款(?:期限|截止)\w*|"
        r"到期\w*|支払期限|お?支払期日|납부기한|지급기일|만기일|الاستحقاق|λήξη|ληξη|valid until|expir\w+|"
        r"gültig bis"
    ),
    "delivered": (
        r"deliver(?:y|ed)(?: date| on)?|shipp(?:ed|ing)(?: date| on)?|ship date|liefer(?:datum|ung|tag)?|"
        r"leistungs\w+|(?:date de )?livraison|consegna|entrega|leverd\w+|leverings?\w*|leverans\w*|dodan\w+|"
        r"dodávk\w+|data (?:sprzedaży|dostawy)|дата (?:поставки|отгрузки)|teslim\w*|sevk\w*|交货\w*|发货\w*|"
        r"納品日|納期|납품일|(?:service|billing) (?:date|period)|period|leistungszeitraum|supply date|tax point|"
        r"di?e?spatched(?: on)?|sent(?: on)?|período|période|periodo|periode|okres|zeitraum"
    ),
    "ordered": (
        r"order(?:ed)?(?: date| on)?|bestell(?:datum|ung|t)?|(?:date de )?commande|ordine|pedido|encomenda|"
        r"besteld\w*|zamówieni\w*|objednáv\w+|заказ\w*|sipariş\w*|订单\w*|注文日|주문일|po date"
    ),
    "discounted": (
        r"bei zahlung(?: bis| innert| innerhalb)?|skonto(?: bis)?|if paid (?:by|before|within)|early payment|"
        r"si (?:payé|paiement)\w*|se pagato|bij betaling|przy płatności"
    ),
    "original": (
        r"original\w*|refers? to|relating to|corrected|ursprüngl\w*|origine|rettifica\w*|rectificad\w*|"
        r"oorspronkelijk\w*|korygowan\w*|dotyczy"
    ),
    "born": (
        r"(?:date of )?birth|born|dob|geburts\w*|geboren|naissance|nacimiento|nascita|nascimento|geboorte\w*|"
        r"生年月日|出生\w*|생년월일"
    ),
    "printed": (r"print(?:ed)?(?: date| on)?|druckdatum|gedruckt|imprimé\w*|as of|印刷日|打印\w*"),
    "issued": (
        r"(?:invoice|bill|issue|receipt|document|statement|tax invoice)(?:d|s)?(?: date| day)|"
        r"date (?:of )?(?:the )?(?:issue|invoice|bill)|day of (?:the )?(?:issue|invoice|bill)|issued(?: on)?|"
        r"issue|rechnungs(?:datum|tag)|ausstellungs\w+|ausgestellt\w*|belegdatum|date (?:de |"
        r"d')?(?:la )?(?:facture|facturation|émission)|data (?:di )?(?:emissione|fattura)|data (?:de )?emissão|"
        r"fecha (?:de )?(?:la )?(?:factura|emisión|expedición)|factuurdatum|data (?:wystawienia|faktury)|"
        r"datum (?:vystavení|vydání)|fakturadat[ou]\w*|laskun päiv\w+|kelt\w*|kiállítás\w*|дата (?:счета|"
        r"выставления|документа)|fatura tarihi|düzenleme tarihi|data facturii|开票日期|開票日期|发票日期|請求日|"
        r"発行日|발행일|작성일자|تاريخ الفاتورة|ημερομηνια εκδοσησ"
    ),
    "dated": r"date|dated|datum|fecha|data|dato|dátum|tarih|дата|日期|日付",
}
NUMBERS: Final = {
    "order_number": (
        r"(?:your|our) order|purchase order|order|bestellung|auftrag|(?:bon de )?commande|ordine|pedido|zamówienie|"
        r"(?:uw )?order|n° de bon de commande|numer zamówienia|bestelling|auftragsnummer|"
        r"(?:purchase )?order (?:no|num\w*|nr|id|ref\w*)\.?|p\.?o\.?(?: no| num\w*| nr)\.?|bestell?-?(?:nr|"
        r"nummer)\.?|auftrags-?(?:nr|nummer)\.?|n° (?:de )?commande|numéro de commande|numero (?:d')?ordine|"
        r"número de pedido|bestelnummer|numer zamówienia|номер заказа|sipariş no|订单(?:号|编号)|注文番号|주문번호"
    ),
    "customer_number": (
        r"customer (?:no|num\w*|nr|id|ref\w*)\.?|client (?:no|num\w*|id)\.?|kunden-?(?:nr|nummer)\.?|"
        r"n° (?:de )?client|(?:numéro|code) client|codice cliente|número de cliente|klantnummer|numer klienta|"
        r"kundnummer|номер клиента|müşteri no|客户(?:号|编号)|顧客番号|お客様番号|고객번호|account (?:no|"
        r"num\w*)\.?|réf\.? client|customer reference|numer klienta"
    ),
    "delivery_number": (
        r"delivery (?:note )?(?:no|num\w*)\.?|delivery note(?: no| num\w*)?\.?|"
        r"lieferschein-?(?:nr|nummer)?\.?|bon de livraison|ddt|albarán|納品書番号"
    ),
    "credit_number": (
        r"credit (?:note|memo) ?(?:no|num\w*|nr|id|#|ref\w*)?\.?|gutschrift(?:s-?(?:nr|nummer))?\.?|"
        r"(?:n° )?d'?avoir(?: n°)?|nota di credito(?: n\.?)?|nota de crédito|creditnota|faktura korygująca(?: nr)?"
    ),
    "invoice_number": (
        r"(?:tax )?(?:invoice|bill|receipt|document) ?(?:no|num\w*|nr|id|#|ref\w*)\.?|invoice|"
        r"\w*rechnung|facture|fattura|factura|factuur|faktura|fatura|"
        r"rechnungs-?\s?(?:nr|nummer)\.?|rechnung (?:nr|no)\.?|(?:n°|numéro) (?:de )?(?:la )?facture|facture n°|"
        r"(?:numero|n\.) (?:di )?fattura|fattura n\.?|(?:número|n\.º|nº) (?:de )?(?:la )?factura|factura n\w?º?|"
        r"factuurnummer|numer faktury|faktura (?:nr|vat)|číslo faktury|fakturanummer|laskun numero|számlaszám|"
        r"номер сч[её]та|fatura no|发票(?:号码|号)|發票號碼|請求書番号|세금계산서 번호|송장번호|رقم الفاتورة"
    ),
}
PARTIES: Final = {
    "receiver": (
        r"(?:deliver(?:ed|y)?|ship(?:ped)?) (?:to|address)|lieferadresse|lieferanschrift|warenempfänger(?:in)?|"
        r"livr(?:é|er) à|adresse de livraison|luogo di consegna|destinazione(?: merce)?|entregar (?:a|en)|"
        r"dirección de (?:entrega|envío)|afleveradres|adres dostawy|odbiorca|dodací adresa"
    ),
    "buyer": (
        r"buyer|purchaser|customer|client|bill(?:ed)? to|invoice(?:d)? to|sold to|recipient|payer|to|"
        r"aan|an|cessionario|käufer(?:in)?s?|kunde|afnemer|"
        r"auftraggeber(?:in)?|(?:rechnungs)?empfänger(?:in)?|rechnung an|rechnungsadresse|"
        r"besteller|acheteur|client|factur[ée]e? à|adressé à|destinataire|cliente|acquirente|committente|"
        r"destinatario|comprador|adquirente|koper|klant|factuuradres|nabywc\w+|kupując\w+|odběratel\w*|kupující|köpare|"
        r"kund|køber|kunde|kjøper|ostaja|asiakas|vevő|cumpărător|client|покупател\w+|заказчик\w*|плательщик|покупець|"
        r"замовник|alici|müşteri|alıcı|αγοραστησ|πελατησ|购买方|買方|买方|需方|购货单位|客户|お客様|買主|買い手|"
        r"ご請求先|宛先|공급받는 ?자|구매자|고객|받는 사람|المشتري|العميل|הקונה|לקוח|लेने वाला|खरीदार|ผู้ซื้อ|"
        r"ลูกค้า|bên mua|người mua|khách hàng|pembeli|tenant|mieter"
    ),
    "seller": (
        r"seller|vendor|supplier|merchant|issuer|payee|bill(?:ed)? (?:by|from)|issued by|invoice from|sold by|"
        r"from|remit to|payable to|t\.?n\.?v\.?|verkäufer(?:in)?s?|lieferant(?:en)?|"
        r"auftragnehmer(?:in)?|(?:rechnungs)?aussteller(?:in)?|absender|"
        r"rechnung von|vendeur|fournisseur|émetteur|prestataire|venditore|fornitore|cedente|emittente|vendedor|"
        r"proveedor|emisor|fornecedor|emitente|verkoper|leverancier|sprzedawc\w+|wystawc\w+|dodavatel\w*|prodávající|"
        r"säljare|leverantör|sælger|selger|myyjä|toimittaja|eladó|szállító|vânzător|furnizor|продав\w+|поставщик\w*|"
        r"исполнитель|продавець|постачальник|satici|satıcı|tedarikçi|πωλητησ|προμηθευτησ|销售方|銷售方|卖方|賣方|"
        r"供方|销货单位|売主|売り手|請求元|発行者|공급자|판매자|보내는 사람|البائع|المورد|המוכר|ספק|विक्रेता|"
        r"ผู้ขาย|bên bán|người bán|penjual|landlord|vermieter"
    ),
}
NOTHING: Final = (
    r"\b(?:nil|none|n/a|exempt\w*|zero[- ]rated|tax[- ]free|vat[- ]free|free(?: of charge)?|included|waived|"
    r"reverse charge|not applicable|steuer(?:frei|befreit)\w*|umsatzsteuerfrei\w*|kleinunternehmer\w*|kostenlos|"
    r"kostenfrei|gratis|frei|entfällt|exonér\w+|exempt\w+|non applicable|autoliquidation|offerte?|gratuit\w*|"
    r"exent[oa]s?|no sujet[oa]|esente|esenzione|non imponibile|inversione contabile|isent[oa]|isenção|vrijgesteld|"
    r"btw verlegd|zwolnion\w*|zw\.|odwrotne obciążenie|np\.|osvobozen\w+|přenesená|momsfri\w*|veroton\w*|"
    r"fordított adózás|taxare inversă|scutit\w*|istisna\w*|muaf\w*|απαλλασσ\w+)|без ндс|не облагается|免[税稅征]|"
    r'非課税|不課税|対象外|無料|면세|영세율|무료|معفا?ة?|ללא מע"?מ'
)
"""That there is no such amount: a tax of 0, free delivery."""
