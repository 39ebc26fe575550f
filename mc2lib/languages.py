"""Languages: their codes, and how they are written.

A metadata language has the code of its Wikipedia (`no`, `zh`, `bat_smg`). Other sources use other
codes, so this module maps language-id labels, CLDR locales, `wordfreq` codes and the texts of
the Universal Declaration of Human Rights (UDHR) to it, and says which languages are written
without spaces between words.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from mc2lib.errors import InputError, nearest

#: The metadata language of texts whose label has no list of its own. Its list is the union of those that no label
#: reaches (`mc2lib.recipe.metadata.other`); it is not one of the 329 languages.
OTHER = "other"

#: Wikipedias that were open in 2024-05, in the order of their codes: the names of their databases in Wikimedia's site
#: matrix, without `wiki`. Only Belarusian in Taraskievica, whose database keeps its old name (`be_x_old`), has its new
#: code here. `simple` is English; the rest are 329 languages.
_WIKIPEDIAS = """
    ab ace ady af als alt am ami an ang anp ar arc ary arz as ast atj av avk awa ay az azb ba ban bar bat_smg bbc
    bcl be be_tarask bew bg bh bi bjn blk bm bn bo bpy br bs bug bxr ca cbk_zam cdo ce ceb ch chr chy ckb co cr crh
    cs csb cu cv cy da dag de dga din diq dsb dtp dty dv dz ee el eml en eo es et eu ext fa fat ff fi fiu_vro fj fo
    fon fr frp frr fur fy ga gag gan gcr gd gl glk gn gom gor got gpe gu guc gur guw gv ha hak haw he hi hif hr hsb
    ht hu hy hyw ia id ie ig igl ik ilo inh io is it iu ja jam jbo jv ka kaa kab kbd kbp kcg kg ki kk kl km kn ko
    koi krc ks ksh ku kus kv kw ky la lad lb lbe lez lfn lg li lij lld lmo ln lo lt ltg lv mad mai map_bms mdf mg
    mhr mi min mk ml mn mni mnw mr mrj ms mt mwl my myv mzn nah nap nds nds_nl ne new nia nl nn no nov nqo nrm nso
    nv ny oc olo om or os pa pag pam pap pcd pcm pdc pfl pi pih pl pms pnb pnt ps pt pwn qu rm rmy rn ro roa_rup
    roa_tara ru rue rw sa sah sat sc scn sco sd se sg sh shi shn si simple sk skr sl sm smn sn so sq sr srn ss st
    stq su sv sw szl szy ta tay tcy te tet tg th ti tk tl tly tn to tpi tr trv ts tt tum tw ty tyv udm ug uk ur uz
    ve vec vep vi vls vo wa war wo wuu xal xh xmf yi yo za zea zgh zh zh_classical zh_min_nan zh_yue zu
"""
WIKIPEDIAS: tuple[str, ...] = tuple(_WIKIPEDIAS.split())

#: Wikipedias that are part of another's metadata language. Source: MetaCLIP 2, §3.2 (related Wikipedias merge);
#: Wu and Gan are written in the same characters, Belarusian in Taraskievica is another spelling.
MERGED = {
    "be_tarask": "be",
    "gan": "zh",
    "simple": "en",
    "wuu": "zh",
    "zh_classical": "zh",
    "zh_yue": "zh",
}

#: Languages written without spaces between words. The recipe names `ryu`, Okinawan, which has no Wikipedia.
UNSPACED = frozenset(("bo", "dz", "ja", "ryu", "km", "lo", "my", "th", "zh"))

#: Labels of fastText's lid.176 that are not a Wikipedia's code. Its `als` is Alemannic, as Wikipedia's is.
LID_LABELS = {"cbk": "cbk_zam", "yue": "zh_yue"}

#: ISO 639-3 codes, which OpenLID, GlotLID and NLLB use as labels, of languages whose Wikipedia has another code.
#: ISO's `als` is Tosk Albanian; Alemannic is `gsw`. The Akan Wikipedia became the Twi one.
_ISO_CODES = """
    abk:ab afr:af aka:tw als:sq amh:am ara:ar arg:an asm:as ava:av aym:ay aze:az bak:ba bam:bm bel:be ben:bn bho:bh
    bik:bcl bis:bi bod:bo bos:bs bre:br bua:bxr bul:bg cat:ca cbk:cbk_zam ces:cs cha:ch che:ce chm:mhr chu:cu chv:cv
    cor:kw cos:co cre:cr cym:cy dan:da deu:de div:dv dzo:dz egl:eml ell:el eng:en epo:eo est:et eus:eu ewe:ee fao:fo
    fas:fa fij:fj fil:tl fin:fi fra:fr fry:fy ful:ff gla:gd gle:ga glg:gl glv:gv grn:gn gsw:als guj:gu hat:ht hau:ha
    hbs:sh heb:he hin:hi hrv:hr hun:hu hye:hy ibo:ig ido:io iku:iu ile:ie ina:ia ind:id ipk:ik isl:is ita:it jav:jv
    jpn:ja kal:kl kan:kn kas:ks kat:ka kaz:kk khm:km kik:ki kin:rw kir:ky kok:gom kom:kv kon:kg kor:ko kur:ku lah:pnb
    lao:lo lat:la lav:lv lim:li lin:ln lit:lt ltz:lb lug:lg lzh:zh_classical mal:ml mar:mr mkd:mk mlg:mg mlt:mt
    mon:mn mri:mi msa:ms mya:my nan:zh_min_nan nav:nv nep:ne nld:nl nno:nn nob:no nor:no nrf:nrm nya:ny oci:oc
    ori:or orm:om oss:os pan:pa pli:pi pol:pl por:pt pus:ps que:qu rgn:eml roh:rm rom:rmy ron:ro run:rn rup:roa_rup
    rus:ru sag:sg san:sa sgs:bat_smg sin:si slk:sk slv:sl sme:se smo:sm sna:sn snd:sd som:so sot:st spa:es sqi:sq
    srd:sc srp:sr ssw:ss sun:su swa:sw swe:sv tah:ty tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th tir:ti ton:to tsn:tn
    tso:ts tuk:tk tur:tr twi:tw uig:ug ukr:uk urd:ur uzb:uz ven:ve vie:vi vol:vo vro:fiu_vro wln:wa wol:wo xho:xh
    yid:yi yor:yo yue:zh_yue zha:za zho:zh zul:zu zza:diq
"""
ISO_CODES: dict[str, str] = dict(pair.split(":") for pair in _ISO_CODES.split())

#: ISO 639-3 codes of languages without a Wikipedia of their own, by the Wikipedia of their macrolanguage.
_ISO_INSIDE = """
    ar:aao,abh,abv,acm,acq,acw,acx,acy,adf,aeb,aec,afb,ajp,apc,apd,arb,arq,ars,auz,avl,ayh,ayl,ayn,ayp
    ar:bbz,pga,shu,ssh ay:ayc,ayr az:azj cr:crj,crk,crl,crm,csw,cwd din:dib,dik,dip,diw,dks et:ekk fa:pes,prs
    ff:ffm,fub,fuc,fue,fuf,fuh,fui,fuq,fuv gn:gnw,gug,gui,gun,nhd ik:esi,esk iu:ike,ikt kg:kng,kwy,ldi ku:kmr,sdh
    kv:kpv lv:lvs mg:bhr,bjq,bmm,bzc,msh,plt,skg,tdx,tkg,txy,xmv,xmw mn:khk,mvf
    ms:btj,bve,bvu,coa,dup,hji,jak,jax,kvb,kvr,kxd,lce,lcf,liw,max,meo,mfa,mfb,mqg,msi,mui,orn,ors,pel
    ms:pse,tmw,urk,vkk,vkt,xmm,zlm,zmi,zsm ne:npi om:gax,gaz,hae,orc or:ory,spv ps:pbt,pbu,pst
    qu:cqu,qub,qud,quf,qug,quh,quk,qul,qup,qur,qus,quw,qux,quy,quz,qva,qvc,qve,qvh,qvi,qvj,qvl,qvm,qvn
    qu:qvo,qvp,qvs,qvw,qvz,qwa,qwc,qwh,qws,qxa,qxc,qxh,qxl,qxn,qxo,qxp,qxr,qxt,qxu,qxw sc:sdc,sdn,src,sro sh:cnr
    sq:aae,aat,aln sw:swc,swh uz:uzn,uzs yi:ydd,yih
    za:zch,zeh,zgb,zgm,zgn,zhd,zhn,zlj,zln,zlq,zqe,zyb,zyg,zyj,zyn,zzj zh:cjy,cmn,cnp,cpx,csp,czh,czo,hsn,mnp
"""
ISO_INSIDE: dict[str, str] = {
    code: language
    for group in _ISO_INSIDE.split()
    for language, _, codes in [group.partition(":")]
    for code in codes.split(",")
}

#: Open Multilingual Wordnet codes that are not a Wikipedia's code, or that of another one: `als` is Tosk Albanian.
WORDNET_CODES = {
    "als": "sq", "arb": "ar", "bul": "bg", "cat": "ca", "cmn": "zh", "dan": "da", "ell": "el", "eng": "en",
    "eus": "eu", "fin": "fi", "fra": "fr", "glg": "gl", "heb": "he", "hrv": "hr", "ind": "id", "isl": "is",
    "ita": "it", "jpn": "ja", "lit": "lt", "nld": "nl", "nno": "nn", "nob": "no", "pol": "pl", "por": "pt",
    "ron": "ro", "slk": "sk", "slv": "sl", "spa": "es", "swe": "sv", "tha": "th", "zsm": "ms",
}  # fmt: skip

#: Main script of each language, by its English name in ISO 15924; a language that is not listed here is Latin.
SCRIPTS = {
    "Arabic": "ar ary arz ckb fa glk ks mzn pnb ps sd skr ug ur",
    "Armenian": "hy",
    "Bengali": "as bn bpy",
    "Canadian Syllabics": "cr iu",
    "Cherokee": "chr",
    "Cyrillic": "ab ady alt av ba be be_tarask bg bxr ce cu cv inh kbd kk koi krc kv "
    "ky lbe lez mdf mhr mk mn mrj myv os ru rue sah sr tg tt tyv udm uk",
    "Devanagari": "awa bh dty gom hi mai mr ne new sa",
    "Ethiopic": "am ti",
    "Georgian": "ka xmf",
    "Gothic": "got",
    "Greek": "el pnt",
    "Gujarati": "gu",
    "Gurmukhi": "pa",
    "Han": "gan wuu zh zh_classical zh_yue",
    "Hebrew": "he yi",
    "Japanese": "ja",
    "Kannada": "kn tcy",
    "Khmer": "km",
    "Korean": "ko",
    "Lao": "lo",
    "Malayalam": "ml",
    "Meetei Mayek": "mni",
    "Myanmar": "mnw my shn",
    "N'Ko": "nqo",
    "Odia": "or",
    "Ol Chiki": "sat",
    "Sinhala": "si",
    "Syriac": "arc",
    "Tamil": "ta",
    "Telugu": "te",
    "Thaana": "dv",
    "Thai": "th",
    "Tibetan": "bo dz",
    "Tifinagh": "zgh",
}

#: English names of the Wikipedias' languages, most of them as CLDR has them.
_NAMES = """
    ab:Abkhaz, ace:Acehnese, ady:Adyghe, af:Afrikaans, als:Alemannic, alt:Southern Altai, am:Amharic, ami:Amis,
    an:Aragonese, ang:Old English, anp:Angika, ar:Arabic, arc:Aramaic, ary:Moroccan Arabic, arz:Egyptian Arabic,
    as:Assamese, ast:Asturian, atj:Atikamekw, av:Avar, avk:Kotava, awa:Awadhi, ay:Aymara, az:Azerbaijani,
    azb:South Azerbaijani, ba:Bashkir, ban:Balinese, bar:Bavarian, bat_smg:Samogitian, bbc:Batak Toba,
    bcl:Central Bikol, be:Belarusian, be_tarask:Belarusian (Taraškievica), bew:Betawi, bg:Bulgarian, bh:Bhojpuri,
    bi:Bislama, bjn:Banjar, blk:Pa'O, bm:Bambara, bn:Bengali, bo:Tibetan, bpy:Bishnupriya, br:Breton, bs:Bosnian,
    bug:Buginese, bxr:Buryat, ca:Catalan, cbk_zam:Chavacano, cdo:Eastern Min, ce:Chechen, ceb:Cebuano, ch:Chamorro,
    chr:Cherokee, chy:Cheyenne, ckb:Central Kurdish, co:Corsican, cr:Cree, crh:Crimean Tatar, cs:Czech, csb:Kashubian,
    cu:Church Slavonic, cv:Chuvash, cy:Welsh, da:Danish, dag:Dagbani, de:German, dga:Dagaare, din:Dinka, diq:Zazaki,
    dsb:Lower Sorbian, dtp:Central Dusun, dty:Doteli, dv:Divehi, dz:Dzongkha, ee:Ewe, el:Greek, eml:Emilian-Romagnol,
    en:English, eo:Esperanto, es:Spanish, et:Estonian, eu:Basque, ext:Extremaduran, fa:Persian, fat:Fanti, ff:Fula,
    fi:Finnish, fiu_vro:Võro, fj:Fijian, fo:Faroese, fon:Fon, fr:French, frp:Arpitan, frr:Northern Frisian,
    fur:Friulian, fy:Western Frisian, ga:Irish, gag:Gagauz, gan:Gan Chinese, gcr:Guianan Creole, gd:Scottish Gaelic,
    gl:Galician, glk:Gilaki, gn:Guarani, gom:Goan Konkani, gor:Gorontalo, got:Gothic, gpe:Ghanaian Pidgin, gu:Gujarati,
    guc:Wayuu, gur:Frafra, guw:Gun, gv:Manx, ha:Hausa, hak:Hakka Chinese, haw:Hawaiian, he:Hebrew, hi:Hindi,
    hif:Fiji Hindi, hr:Croatian, hsb:Upper Sorbian, ht:Haitian Creole, hu:Hungarian, hy:Armenian, hyw:Western Armenian,
    ia:Interlingua, id:Indonesian, ie:Interlingue, ig:Igbo, igl:Igala, ik:Inupiaq, ilo:Iloko, inh:Ingush, io:Ido,
    is:Icelandic, it:Italian, iu:Inuktitut, ja:Japanese, jam:Jamaican Creole English, jbo:Lojban, jv:Javanese,
    ka:Georgian, kaa:Karakalpak, kab:Kabyle, kbd:Kabardian, kbp:Kabiye, kcg:Tyap, kg:Kongo, ki:Kikuyu, kk:Kazakh,
    kl:Greenlandic, km:Khmer, kn:Kannada, ko:Korean, koi:Komi-Permyak, krc:Karachay-Balkar, ks:Kashmiri, ksh:Colognian,
    ku:Kurdish, kus:Kusaal, kv:Komi, kw:Cornish, ky:Kyrgyz, la:Latin, lad:Ladino, lb:Luxembourgish, lbe:Lak,
    lez:Lezghian, lfn:Lingua Franca Nova, lg:Ganda, li:Limburgish, lij:Ligurian, lld:Ladin, lmo:Lombard, ln:Lingala,
    lo:Lao, lt:Lithuanian, ltg:Latgalian, lv:Latvian, mad:Madurese, mai:Maithili, map_bms:Banyumasan, mdf:Moksha,
    mg:Malagasy, mhr:Meadow Mari, mi:Māori, min:Minangkabau, mk:Macedonian, ml:Malayalam, mn:Mongolian, mni:Manipuri,
    mnw:Mon, mr:Marathi, mrj:Western Mari, ms:Malay, mt:Maltese, mwl:Mirandese, my:Burmese, myv:Erzya, mzn:Mazanderani,
    nah:Nahuatl, nap:Neapolitan, nds:Low German, nds_nl:Dutch Low Saxon, ne:Nepali, new:Newari, nia:Nias, nl:Dutch,
    nn:Norwegian Nynorsk, no:Norwegian, nov:Novial, nqo:N'Ko, nrm:Norman, nso:Northern Sotho, nv:Navajo, ny:Nyanja,
    oc:Occitan, olo:Livvi-Karelian, om:Oromo, or:Odia, os:Ossetic, pa:Punjabi, pag:Pangasinan, pam:Pampanga,
    pap:Papiamento, pcd:Picard, pcm:Nigerian Pidgin, pdc:Pennsylvania German, pfl:Palatine German, pi:Pali, pih:Norfuk,
    pl:Polish, pms:Piedmontese, pnb:Western Punjabi, pnt:Pontic, ps:Pashto, pt:Portuguese, pwn:Paiwan, qu:Quechua,
    rm:Romansh, rmy:Vlax Romani, rn:Rundi, ro:Romanian, roa_rup:Aromanian, roa_tara:Tarantino, ru:Russian, rue:Rusyn,
    rw:Kinyarwanda, sa:Sanskrit, sah:Yakut, sat:Santali, sc:Sardinian, scn:Sicilian, sco:Scots, sd:Sindhi,
    se:Northern Sami, sg:Sango, sh:Serbo-Croatian, shi:Tachelhit, shn:Shan, si:Sinhala, simple:Simple English,
    sk:Slovak, skr:Saraiki, sl:Slovenian, sm:Samoan, smn:Inari Sami, sn:Shona, so:Somali, sq:Albanian, sr:Serbian,
    srn:Sranan Tongo, ss:Swati, st:Sotho, stq:Saterland Frisian, su:Sundanese, sv:Swedish, sw:Swahili, szl:Silesian,
    szy:Sakizaya, ta:Tamil, tay:Atayal, tcy:Tulu, te:Telugu, tet:Tetum, tg:Tajik, th:Thai, ti:Tigrinya, tk:Turkmen,
    tl:Tagalog, tly:Talysh, tn:Tswana, to:Tongan, tpi:Tok Pisin, tr:Turkish, trv:Taroko, ts:Tsonga, tt:Tatar,
    tum:Tumbuka, tw:Twi, ty:Tahitian, tyv:Tuvinian, udm:Udmurt, ug:Uyghur, uk:Ukrainian, ur:Urdu, uz:Uzbek, ve:Venda,
    vec:Venetian, vep:Veps, vi:Vietnamese, vls:West Flemish, vo:Volapük, wa:Walloon, war:Waray, wo:Wolof,
    wuu:Wu Chinese, xal:Kalmyk, xh:Xhosa, xmf:Mingrelian, yi:Yiddish, yo:Yoruba, za:Zhuang, zea:Zeelandic,
    zgh:Moroccan Tamazight, zh:Chinese, zh_classical:Classical Chinese, zh_min_nan:Southern Min, zh_yue:Cantonese,
    zu:Zulu
"""
NAMES: dict[str, str] = {
    code: name for code, _, name in (pair.partition(":") for pair in " ".join(_NAMES.split()).split(", "))
}

#: UDHR texts of languages that have exactly one.
_UDHR_ONLY = """
    ab:abk ace:ace ady:ady af:afr als:gsw1 alt:alt am:amh ami:ami ar:arb ast:ast ay:ayr azb:032 ban:ban be:bel
    bg:bul bh:bho bi:bis bjn:049 bm:bam bn:ben bo:bod br:bre bug:bug ca:cat ceb:ceb ch:cha co:cos crh:crh cs:ces
    cv:chv cy:cym da:dan dag:dag dga:dga dv:div dz:dzo ee:ewe en:eng eo:epo et:est eu:eus fa:pes_1 fj:fij fo:fao
    fon:fon fur:fur fy:fri ga:gle gag:gag gan:gan gd:gla gl:glg gn:gug gu:guj guc:guc gv:glv ha:hau_3 hak:hak
    haw:haw he:heb hi:hin hr:hrv hsb:hsb hu:hun hy:hye ia:ina id:ind ig:ibo ilo:ilo io:ido is:isl it:ita iu:ike
    jam:055 jv:jav ka:kat kaa:kaa kab:071 kbd:kbd kbp:kbp kg:kng kk:kaz kl:kal km:khm kn:kan ko:kor koi:koi ku:kmr
    ky:kir lad:lad lb:ltz lg:lug lij:lij lld:lld lo:lao lt:lit mad:mad mai:mai mg:plt mk:mkd mnw:mnw mr:mar mt:mlt
    mwl:044 my:mya nds:nds ne:nep nl:nld nn:nno no:nob nso:nso nv:nav om:gax os:oss pa:pan pam:pam pap:pap pcd:pcd
    pcm:pcm pl:pol ps:pbu rm:roh rn:run roa_rup:rmy ru:rus rw:kin sa:san sah:sah sc:src sco:sco sg:sag shn:shn
    si:sin sk:slk skr:skr sl:slv sm:smo smn:060 sn:sna ss:ssw st:sot su:sun sv:swe ta:tam te:tel tet:tet tg:tgk
    ti:tir tl:tgl tly:tly tn:tsn to:ton tpi:tpi tr:tur tt:tat ty:tah tyv:tyv uk:ukr vec:vec vep:vep vi:vie wa:wln
    war:war wo:wol wuu:wuu xh:xho yi:ydd yo:yor za:ccx zgh:zgh zh_yue:yue zu:zul
"""
UDHR_ONLY: dict[str, str] = dict(pair.split(":") for pair in _UDHR_ONLY.split())

#: UDHR texts of languages that have several: the one in the current spelling, of the variety with most speakers.
_UDHR_CHOSEN = """
    bs:bos_latn chr:chr_cased de:deu_1996 el:ell_monotonic es:spa fi:fin fr:fra ht:hat_kreyol ja:jpn la:lat ln:lin
    lv:lav mi:mri min:min ml:mal mn:khk ny:nya_chechewa pt:por_BR qu:quz ro:ron_2006 se:sme so:som sr:srp_cyrl
    sw:swh th:tha ts:tso_MZ ur:urd uz:uzn_latn ve:ven zh:cmn_hans
"""
UDHR_CHOSEN: dict[str, str] = dict(pair.split(":") for pair in _UDHR_CHOSEN.split())

#: `wordfreq` codes that are not the Wikipedia's. It counts Bosnian, Croatian and Serbian as one language.
WORDFREQ_CODES = {"bs": "sh", "hr": "sh", "sr": "sh", "no": "nb", "simple": "en", "tl": "fil"}

#: CLDR locales that are not the Wikipedia's code.
CLDR_LOCALES = {
    "als": "gsw",
    "bh": "bho",
    "simple": "en",
    "sh": "sr-Latn",
    "tl": "fil",
    "zh_yue": "yue",
}

_SCRIPT_OF = {code: name for name, codes in SCRIPTS.items() for code in codes.split()}
_KNOWN = frozenset(WIKIPEDIAS) | UNSPACED


def spaced(language: str) -> bool:
    """Whether a language is written with spaces between words (true of `other`, whose language is unknown)."""
    return language not in UNSPACED


def script(language: str) -> str:
    """The English name of the script that a language is mainly written in, such as Latin or Cyrillic.

    Raises:
        InputError: no Wikipedia has this code.
    """
    if language not in _KNOWN:
        raise InputError("language", f"no language '{language}'", nearest(language, _KNOWN))
    return "Japanese" if language == "ryu" else _SCRIPT_OF.get(language, "Latin")


def language_name(language: str) -> str:
    """The English name of a language, such as Thai for `th`; `other` is called so.

    Raises:
        InputError: no Wikipedia has this code.
    """
    if language == OTHER:
        return OTHER
    if language not in NAMES:
        raise InputError("language", f"no language '{language}'", nearest(language, NAMES))
    return NAMES[language]


def metadata_language(lid_label: str) -> str:
    """The metadata language of a language-id label.

    Args:
        lid_label: fastText's label, `__label__xx`, or the bare code. A code with a script, as in `__label__eng_Latn`,
            is of ISO 639-3; so is one of three letters that is not a Wikipedia's.

    Returns:
        A code of `WIKIPEDIAS`, with merged ones resolved, or `other`. The script is ignored.

    Source: MetaCLIP 2, §3.2.
    """
    code = lid_label.removeprefix("__label__")
    if len(code) == 8 and code[3] == "_" and code[4].isupper():
        code = _from_iso(code[:3])
    elif len(code) == 3 and code not in _KNOWN and code not in LID_LABELS:
        code = _from_iso(code)
    code = LID_LABELS.get(code, code)
    code = MERGED.get(code, code)
    return code if code in _KNOWN else OTHER


def _from_iso(code: str) -> str:
    """The Wikipedia of an ISO 639-3 code: one of another code, that of its macrolanguage, or its namesake."""
    if code == "nrm":  # Narom; the Wikipedia of that name is Norman
        return OTHER
    return ISO_CODES.get(code) or ISO_INSIDE.get(code) or code


def udhr_code(language: str) -> str:
    """The code of the UDHR text in a language; InputError if there is none."""
    code = UDHR_CHOSEN.get(language) or UDHR_ONLY.get(language)
    if code is None:
        known = UDHR_CHOSEN.keys() | UDHR_ONLY.keys()
        raise InputError("language", f"no UDHR text in '{language}'", nearest(language, known))
    return code


def wordfreq_code(language: str) -> str:
    """The code of a language in `wordfreq`, whether or not `wordfreq` covers it."""
    return WORDFREQ_CODES.get(language, language)


def cldr_locale(language: str) -> str:
    """The CLDR locale of a language, which is the name of its files in data/sources."""
    return CLDR_LOCALES.get(language, language)


@cache
def is_punctuation(character: str) -> bool:
    """Whether one character is punctuation: Unicode's categories P*, and ASCII's $+<=>^`|~."""
    return unicodedata.category(character).startswith("P") or character in "$+<=>^`|~"
