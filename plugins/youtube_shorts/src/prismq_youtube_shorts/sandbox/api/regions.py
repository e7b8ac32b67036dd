"""The regions and languages that YouTube knows: what the guides list and the filters take."""

from __future__ import annotations

__all__ = ["INTERFACE_LANGUAGES", "REGIONS", "SEARCH_LANGUAGES"]


def _table(text: str) -> dict[str, str]:
    return dict(pair.split("=") for line in text.split("\n") for pair in line.strip().split("|") if pair)


REGIONS = _table("""
    AE=United Arab Emirates|AR=Argentina|AT=Austria|AU=Australia|AZ=Azerbaijan|BA=Bosnia and Herzegovina
    BD=Bangladesh|BE=Belgium|BG=Bulgaria|BH=Bahrain|BO=Bolivia|BR=Brazil|BY=Belarus|CA=Canada|CH=Switzerland
    CL=Chile|CO=Colombia|CR=Costa Rica|CY=Cyprus|CZ=Czechia|DE=Germany|DK=Denmark|DO=Dominican Republic
    DZ=Algeria|EC=Ecuador|EE=Estonia|EG=Egypt|ES=Spain|FI=Finland|FR=France|GB=United Kingdom|GE=Georgia
    GH=Ghana|GR=Greece|GT=Guatemala|HK=Hong Kong|HN=Honduras|HR=Croatia|HU=Hungary|ID=Indonesia|IE=Ireland
    IL=Israel|IN=India|IQ=Iraq|IS=Iceland|IT=Italy|JM=Jamaica|JO=Jordan|JP=Japan|KE=Kenya|KH=Cambodia
    KR=South Korea|KW=Kuwait|KZ=Kazakhstan|LA=Laos|LB=Lebanon|LI=Liechtenstein|LK=Sri Lanka|LT=Lithuania
    LU=Luxembourg|LV=Latvia|LY=Libya|MA=Morocco|MD=Moldova|ME=Montenegro|MK=North Macedonia|MT=Malta
    MX=Mexico|MY=Malaysia|NG=Nigeria|NI=Nicaragua|NL=Netherlands|NO=Norway|NP=Nepal|NZ=New Zealand|OM=Oman
    PA=Panama|PE=Peru|PG=Papua New Guinea|PH=Philippines|PK=Pakistan|PL=Poland|PR=Puerto Rico|PT=Portugal
    PY=Paraguay|QA=Qatar|RO=Romania|RS=Serbia|RU=Russia|SA=Saudi Arabia|SE=Sweden|SG=Singapore|SI=Slovenia
    SK=Slovakia|SN=Senegal|SV=El Salvador|TH=Thailand|TN=Tunisia|TR=Turkey|TW=Taiwan|TZ=Tanzania|UA=Ukraine
    UG=Uganda|US=United States|UY=Uruguay|VE=Venezuela|VN=Vietnam|YE=Yemen|ZA=South Africa|ZW=Zimbabwe
""")
"""Names of regions by code: what i18nRegions.list gives and every `regionCode` takes."""

INTERFACE_LANGUAGES = _table("""
    af=Afrikaans|am=Amharic|ar=Arabic|as=Assamese|az=Azerbaijani|be=Belarusian|bg=Bulgarian|bn=Bangla
    bs=Bosnian|ca=Catalan|cs=Czech|da=Danish|de=German|el=Greek|en=English|en-GB=English (United Kingdom)
    en-IN=English (India)|es=Spanish (Spain)|es-419=Spanish (Latin America)|es-US=Spanish (United States)
    et=Estonian|eu=Basque|fa=Persian|fi=Finnish|fil=Filipino|fr=French|fr-CA=French (Canada)|gl=Galician
    gu=Gujarati|hi=Hindi|hr=Croatian|hu=Hungarian|hy=Armenian|id=Indonesian|is=Icelandic|it=Italian|iw=Hebrew
    ja=Japanese|ka=Georgian|kk=Kazakh|km=Khmer|kn=Kannada|ko=Korean|ky=Kyrgyz|lo=Lao|lt=Lithuanian|lv=Latvian
    mk=Macedonian|ml=Malayalam|mn=Mongolian|mr=Marathi|ms=Malay|my=Burmese|ne=Nepali|nl=Dutch|no=Norwegian
    or=Odia|pa=Punjabi|pl=Polish|pt=Portuguese (Brazil)|pt-PT=Portuguese|ro=Romanian|ru=Russian|si=Sinhala
    sk=Slovak|sl=Slovenian|sq=Albanian|sr=Serbian|sr-Latn=Serbian (Latin)|sv=Swedish|sw=Swahili|ta=Tamil
    te=Telugu|th=Thai|tr=Turkish|uk=Ukrainian|ur=Urdu|uz=Uzbek|vi=Vietnamese|zh-CN=Chinese (China)
    zh-HK=Chinese (Hong Kong)|zh-TW=Chinese (Taiwan)|zu=Zulu
""")
"""Names of languages by code: what i18nLanguages.list gives."""

SEARCH_LANGUAGES = frozenset(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el
    en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu
    iw ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my
    na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn
    so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zu
    zh-Hans zh-Hant
    """.split()  # noqa: SIM905 - a list of two hundred would be as many lines
)
"""What `relevanceLanguage` takes: ISO 639-1, and Chinese by its script alone."""
