"""The names of months in the large languages of Europe and Asia, for `dates`.

From the Unicode CLDR (version 48, as in Babel 2.19): `months`, wide and abbreviated, in dates and alone, of en de fr es
it pt nl pl cs sk hr sr sl ru uk be bg mk el ro hu fi et lv lt sv da nb is tr sq ca gl eu ga cy mt id ms vi ar (Egypt,
Lebanon, Tunisia, Algeria, Morocco) he fa hi bn ur th ta te mr gu az kk. Babel itself would be 36 MB for these lines.

The same word may be a different month in two languages (`listopad` is October in Zagreb and November in Prague): a name
has all of its months.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from .words import normalize

_NAMES: Final = """
january jan januar janvier janv enero ene gennaio gen janeiro januari stycznia sty styczeń ledna led leden januára
január siječnja sij siječanj јануар јан января янв январь січня січ січень студзеня сту студзень януари яну јануари
ιανουαρίου ιαν ιανουάριοσ ianuarie ian tammikuuta tammi tammikuu jaanuar jaan janvāris sausio saus sausis janúar
ocak oca janar gener xaneiro xan urtarrila urt eanáir ean ionawr ion jannar يناير ינואר ינו׳ ژانویه जनवरी जन॰
জানুয়ারি জানু جنوری มกราคม ม.ค ஜனவரி జనవరి जानेवारी जाने જાન્યુઆરી જાન્યુ yanvar yan қаңтар қаң جانفي jänner jän

february feb februar février févr febrero febbraio fevereiro fev februari lutego lut luty února úno únor februára
február veljače velj veljača фебруар феб февраля февр февраль лютого лют лютий лютага люты февруари фев φεβρουαρίου
φεβ φεβρουάριοσ februarie febr helmikuuta helmi helmikuu veebruar veebr februāris vasario vas vasaris febrúar şubat
şub shkurt shk febrer febreiro otsaila ots feabhra feabh chwefror chwef chw frar fra فبراير פברואר פבר׳ فوریه फ़रवरी
फ़र॰ ফেব্রুয়ারি ফেব فروری กุมภาพันธ์ ก.พ பிப்ரவரி பிப் ఫిబ్రవరి ఫిబ్ర फेब्रुवारी फेब्रु ફેબ્રુઆરી ફેબ્રુ fevral
ақпан ақп شباط فيفري

march mar märz mär mars marzo março maart mrt marca marzec března bře březen marec ožujka ožu ožujak март мар mart
марта березня бер березень сакавіка сак сакавік μαρτίου μαρ μάρτιοσ μάρ martie március márc maaliskuuta maalis
maaliskuu märts marts kovo kov kovas març martxoa márta mawrth maw marzu maret mac مارس מרץ मार्च মার্চ مارچ มีนาคม
มี.ค மார்ச் மார் మార్చి માર્ચ наурыз нау آذار

april apr avril avr abril abr aprile kwietnia kwi kwiecień dubna dub duben apríla apríl travnja tra travanj април
апр апреля апрель квітня квіт квітень красавіка кра красавік απριλίου απρ απρίλιοσ aprilie április ápr huhtikuuta
huhti huhtikuu aprill aprīlis balandžio bal balandis nisan nis prill pri apirila api aibreán aib ebrill ebr أبريل
אפריל אפר׳ آوریل अप्रैल এপ্রিল এপ্রি اپریل เมษายน เม.ย ஏப்ரல் ஏப் ఏప్రిల్ ఏప్రి एप्रिल एप्रि એપ્રિલ aprel сәуір сәу
نيسان أفريل

may mai mayo maggio mag maio mei maja maj května kvě květen mája máj svibnja svi svibanj мај мая май травня трав
травень μαΐου μαΐ μάιοσ μάι május toukokuuta touko toukokuu maijs gegužės geg gegužė maí mayis maig maiatza
bealtaine beal mejju mej مايو מאי مئی พฤษภาคม พ.ค мамыр мам أيار ماي

june jun juni juin junio giugno giu junho czerwca cze czerwiec června čvn červen júna jún lipnja lip lipanj јун
junij июня июн июнь червня черв червень чэрвеня чэр чэрвень юни јуни ιουνίου ιουν ιούνιοσ ιούν iunie iun június
kesäkuuta kesä kesäkuu juuni jūnijs jūn birželio birž birželis júní haziran haz qershor qer juny xuño ekaina eka
meitheamh meith mehefin meh ġunju ġun يونيو יוני ژوئن जून জুন جون มิถุนายน มิ.ย ஜூன் జూన్ જૂન iyun iyn маусым мау
حزيران جوان

july jul juli juillet juil julio luglio lug julho lipca lip lipiec července čvc červenec júla júl srpnja srp srpanj
јул julij июля июл июль липня лип липень ліпеня ліп ліпень юли јули ιουλίου ιουλ ιούλιοσ ιούλ iulie iul július
heinäkuuta heinä heinäkuu juuli jūlijs jūl liepos liep liepa júlí temmuz tem korrik korr juliol xullo xul uztaila
uzt iúil gorffennaf gorff gor lulju lul julai يوليو יולי ژوئیه जुलाई जुल॰ জুলাই জুল جولائی กรกฎาคม ก.ค ஜூலை జులై
जुलै જુલાઈ iyul iyl шілде шіл تموز جويلية يوليوز

august aug août agosto ago augustus sierpnia sie sierpień srpna srp srpen augusta kolovoza kol kolovoz август авг
avgust avg августа серпня серп серпень жніўня жні жнівень αυγούστου αυγ αύγουστοσ αύγ augusztus elokuuta elo elokuu
augusts rugpjūčio rugp rugpjūtis augusti ágúst ágú ağustos ağu gusht gush agost abuztua abu lúnasa lún awst awwissu
aww agustus agu ogos ogo أغسطس אוגוסט אוג׳ اوت अगस्त अग॰ আগস্ট اگست สิงหาคม ส.ค ஆகஸ்ட் ఆగస్టు ऑगस्ट ઑગસ્ટ avqust avq
тамыз там أوت غشت

september sep sept septembre septiembre settembre set setembro września wrz wrzesień září zář septembra rujna ruj
rujan септембар сеп septembar сентября сент сентябрь вересня вер вересень верасня верасень септември σεπτεμβρίου σεπ
σεπτέμβριοσ septembrie szeptember szept syyskuuta syys syyskuu septembris rugsėjo rugs rugsėjis eylül eyl shtator
sht setembre iraila ira mfómh medi settembru سبتمبر ספטמבר ספט׳ سپتامبر सितंबर सित॰ সেপ্টেম্বর সেপ সেপ্ট ستمبر
กันยายน ก.ย செப்டம்பர் செப் సెప్టెంబర్ సెప్టెం सप्टेंबर सप्टें સપ્ટેમ્બર સપ્ટે sentyabr sen қыркүйек қыр أيلول شتنبر

october oct oktober okt octobre octubre ottobre ott outubro out października paź październik října říj říjen októbra
október listopada lis listopad октобар окт oktobar октября октябрь жовтня жовт жовтень кастрычніка кас кастрычнік
октомври οκτωβρίου οκτ οκτώβριοσ octombrie lokakuuta loka lokakuu oktoober oktobris spalio spal spalis ekim eki
tetor tet urria urr dfómh hydref hyd ottubru أكتوبر אוקטובר אוק׳ اکتبر अक्टूबर अक्टू॰ অক্টোবর অক্টো اکتوبر ตุลาคม
ต.ค அக்டோபர் அக் అక్టోబర్ అక్టో ऑक्टोबर ऑक्टो ઑક્ટોબર ઑક્ટો oktyabr қазан қаз

november nov novembre noviembre novembro listopada lis listopad listopadu novembra studenoga stu studeni новембар
нов novembar ноября нояб ноябрь листопада лист листопад лістапада ліс лістапад ноември ное νοεμβρίου νοε νοέμβριοσ
νοέ noiembrie marraskuuta marras marraskuu novembris lapkričio lapkr lapkritis nóvember nóv kasim kas nëntor nën
azaroa aza samhain samh tachwedd tach novembru نوفمبر נובמבר נוב׳ نوامبر नवंबर नव॰ নভেম্বর নভে نومبر พฤศจิกายน พ.ย
நவம்பர் నవంబర్ నవం नोव्हेंबर नोव्हें નવેમ્બર નવે noyabr noy қараша қар نونبر

december dec dezember dez décembre déc diciembre dic dicembre dezembro grudnia gru grudzień prosince pro prosinec
decembra prosinca prosinac децембар дец decembar декабря дек декабрь грудня груд грудень снежня сне снежань декември
δεκεμβρίου δεκ δεκέμβριοσ decembrie joulukuuta joulu joulukuu detsember dets decembris gruodžio gruod gruodis
desember des aralik ara dhjetor dhj desembre decembro abendua abe nollaig noll rhagfyr rhag diċembru diċ disember
dis ديسمبر דצמבר דצמ׳ دسامبر दिसंबर दिस॰ ডিসেম্বর ডিসে دسمبر ธันวาคม ธ.ค டிசம்பர் டிச డిసెంబర్ డిసెం डिसेंबर डिसें
ડિસેમ્બર ડિસે dekabr dek желтоқсан жел دجنبر
"""
"""A paragraph for each month, from January."""
_ALSO: Final = {"sept": 9, "maius": 5, "mrz": 3}
"""What people write beside them."""
MIN_STEM: Final = 4
MAX_ENDING: Final = 5
"""Letters: languages that decline by endings (`maaliskuun`, `Mart'ta`) are read by the stem."""


@cache
def names() -> Mapping[str, frozenset[int]]:
    """The months that each name, normalized, may mean."""
    found: dict[str, set[int]] = {}
    for month, paragraph in enumerate(_NAMES.strip().split("\n\n"), 1):
        for name in paragraph.split():
            found.setdefault(normalize(name), set()).add(month)
    for name, month in _ALSO.items():
        found.setdefault(name, set()).add(month)
    return {name: frozenset(months) for name, months in found.items()}


def months_of(word: str) -> frozenset[int]:
    """The months that a normalized word may mean, with or without an ending or the dot of an abbreviation."""
    word = word.strip(".'")
    for candidate in (word, word.removeprefix("\u05d1"), word.removeprefix("d'")):  # in Hebrew, "in March" is one word
        if months := names().get(candidate):
            return months
    for length in range(len(word) - 1, max(MIN_STEM, len(word) - MAX_ENDING) - 1, -1):
        if len(word) <= 2 * length - 2 and (months := names().get(word[:length])):
            return months
    return frozenset()
