"""Codes and writing."""

import langcodes
import pytest
from langcodes.data_dicts import MACROLANGUAGES

from mc2lib.errors import InputError
from mc2lib.languages import (
    ISO_CODES,
    ISO_INSIDE,
    MERGED,
    NAMES,
    SCRIPTS,
    UNSPACED,
    WIKIPEDIAS,
    WORDNET_CODES,
    is_punctuation,
    language_name,
    metadata_language,
    script,
    spaced,
    udhr_code,
)


def test_wikipedias_are_in_the_order_of_their_codes():
    assert list(WIKIPEDIAS) == sorted(WIKIPEDIAS)


def test_codes_are_distinct_and_tables_name_only_them():
    assert len(WIKIPEDIAS) == len(set(WIKIPEDIAS)) == 330  # 329 languages and Simple English
    assert set(MERGED) | set(MERGED.values()) <= set(WIKIPEDIAS)
    assert set(WORDNET_CODES.values()) <= set(WIKIPEDIAS)
    assert len(WORDNET_CODES) == 31
    listed = [code for codes in SCRIPTS.values() for code in codes.split()]
    assert len(listed) == len(set(listed)) and set(listed) <= set(WIKIPEDIAS)
    assert UNSPACED - set(WIKIPEDIAS) == {"ryu"}


def test_every_language_has_a_name_of_its_own():
    assert list(NAMES) == list(WIKIPEDIAS) and len(set(NAMES.values())) == len(NAMES)
    assert all(name == name.strip() and name[0].isupper() for name in NAMES.values())
    assert [language_name(code) for code in ("th", "no", "be_tarask", "zh_yue", "other")] == [
        "Thai", "Norwegian", "Belarusian (Taraškievica)", "Cantonese", "other",
    ]  # fmt: skip
    with pytest.raises(InputError, match="no language 'xx'"):
        language_name("xx")


@pytest.mark.parametrize(
    ("language", "expected"),
    [(code, False) for code in ("zh", "ja", "th", "km", "my", "lo", "bo", "dz", "ryu")]
    + [(code, True) for code in ("ko", "vi", "am", "en", "other")],
)
def test_spaced(language: str, expected: bool):
    assert spaced(language) is expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "Latin"),
        ("sr", "Cyrillic"),
        ("zh", "Han"),
        ("my", "Myanmar"),
        ("fa", "Arabic"),
        ("ka", "Georgian"),
        ("tr", "Latin"),
    ],
)
def test_script(language: str, expected: str):
    assert script(language) == expected


def test_unknown_language_names_the_near_miss():
    with pytest.raises(InputError, match="zh_classical"):
        script("zh_clasical")
    with pytest.raises(InputError, match="no UDHR text in 'got'"):
        udhr_code("got")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("__label__en", "en"),
        ("fr", "fr"),
        ("__label__yue", "zh"),  # Cantonese: zh_yue, which merges into zh
        ("__label__wuu", "zh"),
        ("__label__als", "als"),  # Alemannic; only the wordnets' als is Albanian
        ("__label__cbk", "cbk_zam"),
        ("__label__lrc", "other"),  # Northern Luri has no Wikipedia in the dumps
        ("__label__simple", "en"),
        ("", "other"),
    ],
)
def test_metadata_language(label: str, expected: str):
    assert metadata_language(label) == expected


#: FLORES-200's and NLLB's labels, a few of OpenLID's and GlotLID's, and what becomes of them.
_ISO_LABELS = """
    ace_Arab:ace ace_Latn:ace acm_Arab:ar acq_Arab:ar aeb_Arab:ar afr_Latn:af ajp_Arab:ar aka_Latn:tw
    als_Latn:sq amh_Ethi:am apc_Arab:ar arb_Arab:ar arb_Latn:ar ars_Arab:ar ary_Arab:ary arz_Arab:arz
    asm_Beng:as ast_Latn:ast awa_Deva:awa ayr_Latn:ay azb_Arab:azb azj_Latn:az bak_Cyrl:ba bam_Latn:bm
    ban_Latn:ban bel_Cyrl:be bem_Latn:other ben_Beng:bn bho_Deva:bh bjn_Arab:bjn bjn_Latn:bjn bod_Tibt:bo
    bos_Latn:bs bug_Latn:bug bul_Cyrl:bg cat_Latn:ca ceb_Latn:ceb ces_Latn:cs cjk_Latn:other ckb_Arab:ckb
    cmn_Hans:zh crh_Latn:crh cym_Latn:cy dan_Latn:da deu_Latn:de dik_Latn:din dyu_Latn:other dzo_Tibt:dz
    ekk_Latn:et ell_Grek:el eng_Latn:en epo_Latn:eo est_Latn:et eus_Latn:eu ewe_Latn:ee fao_Latn:fo
    fij_Latn:fj fin_Latn:fi fon_Latn:fon fra_Latn:fr fur_Latn:fur fuv_Latn:ff gaz_Latn:om gla_Latn:gd
    gle_Latn:ga glg_Latn:gl gom_Deva:gom grn_Latn:gn gsw_Latn:als gug_Latn:gn guj_Gujr:gu hat_Latn:ht
    hau_Latn:ha heb_Hebr:he hin_Deva:hi hne_Deva:other hrv_Latn:hr hun_Latn:hu hye_Armn:hy ibo_Latn:ig
    ilo_Latn:ilo ind_Latn:id isl_Latn:is ita_Latn:it jav_Latn:jv jpn_Jpan:ja kab_Latn:kab kac_Latn:other
    kam_Latn:other kan_Knda:kn kas_Arab:ks kas_Deva:ks kat_Geor:ka kaz_Cyrl:kk kbp_Latn:kbp kea_Latn:other
    khk_Cyrl:mn khm_Khmr:km kik_Latn:ki kin_Latn:rw kir_Cyrl:ky kmb_Latn:other kmr:ku kmr_Latn:ku
    knc_Arab:other knc_Latn:other kng_Latn:kg kon_Latn:kg kor_Hang:ko lao_Laoo:lo lij_Latn:lij lim_Latn:li
    lin_Latn:ln lit_Latn:lt lmo_Latn:lmo ltg_Latn:ltg ltz_Latn:lb lua_Latn:other lug_Latn:lg luo_Latn:other
    lus_Latn:other lvs_Latn:lv mag_Deva:other mai_Deva:mai mal_Mlym:ml mar_Deva:mr min_Latn:min mkd_Cyrl:mk
    mlt_Latn:mt mni_Beng:mni mos_Latn:other mri_Latn:mi mya_Mymr:my nld_Latn:nl nno_Latn:nn nob_Latn:no
    npi_Deva:ne nrf_Latn:nrm nrm_Latn:other nso_Latn:nso nus_Latn:other nya_Latn:ny oci_Latn:oc ory_Orya:or
    pag_Latn:pag pan_Guru:pa pap_Latn:pap pbt_Arab:ps pes_Arab:fa plt_Latn:mg pol_Latn:pl por_Latn:pt
    prs_Arab:fa quy_Latn:qu ron_Latn:ro run_Latn:rn rus_Cyrl:ru sag_Latn:sg san_Deva:sa sat_Olck:sat
    scn_Latn:scn shn_Mymr:shn sin_Sinh:si slk_Latn:sk slv_Latn:sl smo_Latn:sm sna_Latn:sn snd_Arab:sd
    som_Latn:so sot_Latn:st spa_Latn:es srd_Latn:sc srp_Cyrl:sr srp_Latn:sr ssw_Latn:ss sun_Latn:su
    swc_Latn:sw swe_Latn:sv swh_Latn:sw szl_Latn:szl tam_Taml:ta taq_Latn:other taq_Tfng:other tat_Cyrl:tt
    tel_Telu:te tgk_Cyrl:tg tgl_Latn:tl tha_Thai:th tir_Ethi:ti tpi_Latn:tpi tsn_Latn:tn tso_Latn:ts
    tuk_Latn:tk tum_Latn:tum tur_Latn:tr twi_Latn:tw tzm_Tfng:other uig_Arab:ug ukr_Cyrl:uk umb_Latn:other
    und_Zzzz:other urd_Arab:ur uzn_Latn:uz vec_Latn:vec vie_Latn:vi war_Latn:war wol_Latn:wo wuu_Hans:zh
    xho_Latn:xh ydd:yi ydd_Hebr:yi yor_Latn:yo yue_Hant:zh zho_Hans:zh zho_Hant:zh zsm_Latn:ms zul_Latn:zu
"""
ISO_LABELS = [tuple(pair.split(":")) for pair in _ISO_LABELS.split()]


@pytest.mark.parametrize(("label", "expected"), ISO_LABELS)
def test_labels_of_iso_639_3(label: str, expected: str):
    assert metadata_language(f"__label__{label}") == metadata_language(label) == expected


def test_iso_codes_are_what_langcodes_says():
    apart = {"aka", "als", "bho", "bik", "bua", "chm", "egl", "fil", "gsw", "kok", "lah", "nob", "nrf", "rgn", "rom",
             "zza", "hbs", "tgl"}  # fmt: skip
    for code, language in ISO_CODES.items():
        if code not in apart and "_" not in language:
            assert langcodes.Language.get(language).to_alpha3() == code, code
    for code, language in ISO_INSIDE.items():
        assert MACROLANGUAGES[code] == language, code
    assert set(ISO_CODES.values()) | set(ISO_INSIDE.values()) <= set(WIKIPEDIAS)
    # every Wikipedia named by two letters is found by its three, and no table overrules another
    assert {code for code in WIKIPEDIAS if len(code) == 2} - {metadata_language(iso) for iso in ISO_CODES} <= {
        "sh",
        "zh",
    }
    assert not ISO_CODES.keys() & ISO_INSIDE.keys()
    assert not ISO_INSIDE.keys() & set(WIKIPEDIAS)


def test_wordnet_albanian_is_not_alemannic():
    assert WORDNET_CODES["als"] == "sq"


@pytest.mark.parametrize(
    ("language", "code"),
    [("en", "eng"), ("zh", "cmn_hans"), ("pt", "por_BR"), ("fa", "pes_1"), ("el", "ell_monotonic"), ("no", "nob")],
)
def test_udhr_code(language: str, code: str):
    assert udhr_code(language) == code


def test_punctuation():
    assert all(is_punctuation(c) for c in ".,;:?!`$+<=>^|~-—«»、。።፡")
    assert not any(is_punctuation(c) for c in "aé漢ไ9 €😀")
