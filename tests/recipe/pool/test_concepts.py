from mc2lib.recipe.pool.concepts import Caption, find_captions, split_concepts

ANNOTATIONS = {
    "en": {"🍎": {"tts": ["apple"], "default": ["fruit", "apple"]}, "❤": {"tts": ["heart"], "default": []}},
    "de": {"🍎": {"tts": ["Apfel"], "default": ["Obst"]}, "❤": {"tts": ["Herz"], "default": []}},
}


def test_captions_join_languages_and_forgive_the_presentation_selector():
    captions = find_captions({"apple": "🍎", "heart": "❤\ufe0f"}, ANNOTATIONS)
    assert captions["apple"] == {"en": Caption("apple", ("fruit",)), "de": Caption("Apfel", ("Obst",))}
    assert captions["heart"]["de"].name == "Herz"


def test_a_concept_that_a_language_lacks_is_left_out():
    annotations = {"en": ANNOTATIONS["en"], "de": {"🍎": ANNOTATIONS["de"]["🍎"]}}
    assert list(find_captions({"apple": "🍎", "heart": "❤"}, annotations)) == ["apple"]


def test_a_name_is_given_once_in_a_language():
    twins = {"en": {"🍎": {"tts": ["apple"]}, "🍏": {"tts": ["apple"]}}}
    assert list(find_captions({"apple": "🍎", "apple-green": "🍏"}, twins)) == ["apple"]


def _many():
    return {f"c{i:02d}": {"en": Caption(f"c{i:02d}", (f"family{i // 5}",))} for i in range(50)}


def test_families_are_held_out_whole():
    split = split_concepts(_many(), 50, 0.1, seed=0)
    assert len(split.held_out) == 5 and len(split.trained) == 45
    assert {int(name[1:]) // 5 for name in split.held_out} == {int(split.families[0].removeprefix("family"))}
    assert not set(split.trained) & set(split.held_out)


def test_seeds_draw_differently_and_repeatably():
    assert split_concepts(_many(), 20, 0.1, 0) == split_concepts(_many(), 20, 0.1, 0)
    assert split_concepts(_many(), 20, 0.1, 0) != split_concepts(_many(), 20, 0.1, 1)
