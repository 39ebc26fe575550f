import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mc2lib.recipe.metadata.wikitext.markup_names import link_names
from mc2lib.recipe.metadata.wikitext.open_constructs import MAX_DEPTH
from mc2lib.recipe.metadata.wikitext.plain_text import plain_text

GERMAN = link_names({6: "Datei", 14: "Kategorie", 10: "Vorlage"})
RUSSIAN = link_names({6: "Файл", 14: "Категория"})

CASES = {
    "plain text stays": ("A cat sat.", "A cat sat."),
    "a link without a label": ("a [[cat]] sat", "a cat sat"),
    "a link with a label and a trail": ("[[Cat (animal)|cat]]s", "cats"),
    "a label may hold pipes": ("[[a|b|c]]", "b|c"),
    "a link in a caption": ("[[File:a.jpg|thumb|a [[cat|tom]] on [[mat]]]]b", "b"),
    "a category": ("a[[Category:Cats]]b[[ category : Cats | x ]]c", "abc"),
    "a shown category": ("see [[:Category:Cats|all cats]]", "see all cats"),
    "another language": ("a[[fr:Chat]][[zh-min-nan:Niau]]b", "ab"),
    "a shown other language": ("[[:fr:Chat|chat]]", "chat"),
    "a title with a colon": ("[[Star Wars: Episode IV]]", "Star Wars: Episode IV"),
    "another namespace keeps its label": ("[[Help:IPA|kæt]]", "kæt"),
    "a file by its ending": ("[[Bild:Katze.JPG|mini|Eine Katze]]x", "x"),
    "a file without a caption": ("x[[Image:Cat.png]]", "x"),
    "a template": ("a {{b|c={{d|[[e]]}}}} f", "a f"),
    "a template over lines": ("{{Infobox\n| a = b\n| c = [[d]]\n}}\nText", "Text"),
    "a parameter": ("a{{{1|x}}}b", "ab"),
    "a template in a parameter": ("a{{{{{1}}}|x}}b", "ab"),
    "a table": ("a\n{| class=x\n|-\n| b || [[c]]\n|}\nd", "a\nd"),
    "a table in a table": ("a\n{|\n| b\n{|\n| c\n|}\n|}\nd", "a\nd"),
    "a table that a template closes": ("a\n{{b|\n{|\n| c\n|}}}\nd", "a\nd"),
    "an indented table": ("a\n::{|\n| b\n|}\nd", "a\nd"),
    "a reference": ('a<ref name="x/y">b {{c}} [[d]]</ref> e<ref name=x />f', "a ef"),
    "a reference with a lonely brace": ("a<ref>b {{ c</ref> d {{e}}", "a d"),
    "a comment": ("a<!-- b\n{{ --> c", "a c"),
    "a comment alone on its line": ("a\n<!-- b -->\nc", "a\nc"),
    "a comment that never closes": ("a <!-- b {{c}}", "a"),
    "nowiki": ("a <nowiki>[x]</nowiki> b<nowiki/>c", "a [x] bc"),
    "a formula": ("a <math>\\frac{{b}}{c}</math> d", "a d"),
    "a line that begins with a formula": ("<math>x</math>; however, y", "; however, y"),
    "code": ("a<syntaxhighlight lang=c>int i[[0]];</syntaxhighlight>b", "ab"),
    "tags that show": ("<b>a</b><small>b</small> H<sub>2</sub>O <span class='x'>c</span>", "ab H2O c"),
    "tags that part lines": ("a<div>b</div>c<p>d", "a\nb\nc\nd"),
    "a break": ("a<br/>b<BR>c", "a b c"),
    "an HTML table": ("a<table><tr><td>b<table>c</table></table>d", "a\nd"),
    "an HTML list": ("a<ul><li>b</ul>c", "a\nc"),
    "no tag": ("a < b, <stdio.h> and x<y>z", "a < b, <stdio.h> and x<y>z"),
    "bold and italic": ("'''a''' ''b'' '''''c''''' d's", "a b c d's"),
    "an apostrophe before italic": ("''Iliad'''s end", "Iliad's end"),
    "an elision before bold": ("l'''Italie''' est", "l'Italie est"),
    "quotes around a template": ("a ''{{b}}'' c", "a c"),
    "four quotes": ("l''''Italie'''", "l'Italie"),
    "one bold letter": ("the '''n'''th", "the nth"),
    "entities": ("a&nbsp;&amp; &lt;ref&gt; &#65;&#x42; &nosuch; &amp;lt;", "a & <ref> AB &nosuch; &lt;"),
    "entities of no character": ("a&#0;b&#xD800;c&#9999999;d", "a b\ufffdc\ufffdd"),
    "entities make no markup": ("&#91;&#91;a&#93;&#93; &#123;&#123;b", "[a] {b"),
    "unseen characters": ("\ufefffoo\u00adbar\u200e baz\u00a0x", "foobar baz x"),
    "joiners are letters' own": ("می\u200cخواهم", "می\u200cخواهم"),
    "addresses": (
        "see http://a.org/b?c=d, [https://e.org the e], [//f.org] [mailto:a@b.c g] end",
        "see , the e, g end",
    ),
    "an address ends at a quote": ("''http://a.org''b", "b"),
    "no address": ("note: //x", "note: //x"),
    "brackets that are no address": ("a [b] c", "a [b] c"),
    "a heading with text": ("a\n== B ==\nc", "a\nB\nc"),
    "a heading without text": ("a\n== B ==\n=== C ===\n== D ==\ne", "a\nD\ne"),
    "headings above": ("== A ==\n=== B ===\nc\n=== D ===\ne", "A\nB\nc\nD\ne"),
    "magic words": ("__NOTOC__a__init__ b __БЕЗ_ОГЛ__c", "a__init__ b c"),
    "lists are no prose": ("a\n* b\n# c\n; d\n: e\n:* f\nh", "a\ne\nf\nh"),
    "rules and marks": ("a\n----\n---\n. .\nb", "a\nb"),
    "spaces": ("  a \t b\u3000c\r\n\n\n d ", "a b\u3000c\nd"),
    "Chinese variants": ("-{zh-hans:计算机; zh-hant:電腦}- -{A|汉}- -{H|zh-cn:a;zh-tw:b}-x", "计算机 汉 x"),
    "a template between dashes": ("a -{{b}}- c", "a -- c"),
    "what never closes stays": ("a [[b\nc {{d\n\ne [[f]] <ref>g", "a [b\nc {d\ne f g"),
    "an unclosed template spoils nothing after it": ("{{a\n| b = c\nd {{e}} [[f|g]] h", "{a\nd g h"),
    "closings alone": ("a ]] b }} c </ref> d |} e", "a ] b } c d |} e"),
    "a link ends with its paragraph": ("[[a|b\n\nc]] d", "[a|b\nc] d"),
    "a caption over paragraphs": ("x[[File:a.jpg|b\n\nc]] d", "x d"),
    "a file that never closes ends at a heading": ("[[File:a.jpg|b\n== C ==\nd]] e", "[File:a.jpg|b\nC\nd] e"),
    "nothing": ("", ""),
    "only markup": ("{{a}}[[File:b.jpg]]<!-- c -->", ""),
}


@pytest.mark.parametrize(("markup", "text"), CASES.values(), ids=CASES)
def test_what_a_reader_sees(markup, text):
    got = plain_text(markup)
    # a line of marks alone is no text, `{a` is kept only where it does not begin its line
    assert got == "\n".join(line for line in text.split("\n") if not line.startswith("{"))


@pytest.mark.parametrize(
    ("names", "markup", "text"),
    [
        (GERMAN, "x[[Datei:a.tga|b]][[KATEGORIE:c]][[kategorie:c]][[File:a|b]]", "x"),
        (GERMAN, "[[Vorlage:a|b]]", "b"),
        (RUSSIAN, "x[[Файл:a|b]][[категория:в]][[КАТЕГОРИЯ:в]]", "x"),
        (None, "[[Kategorie:c]]", "Kategorie:c"),
    ],
)
def test_a_wiki_names_its_namespaces(names, markup, text):
    assert plain_text(markup, names) == text


def test_lists_are_kept_if_asked_for():
    assert plain_text("a\n* b\n## c\n; d : e\n<ul><li>f</li></ul>", lists=True) == "a\nb\nc\nd : e\nf"


OPENINGS = ["{{", "[[", "{|\n", "<ref>", "<ref", "[http://a ", "<table>", "-{", "[[a|", "\n=="]


@pytest.mark.parametrize("opening", OPENINGS)
def test_what_never_closes_is_read_to_its_end(opening):
    text = plain_text(opening * 100_000 + "\nend")
    assert text.endswith("end")
    assert "[[" not in text and "{{" not in text


@pytest.mark.parametrize(("opening", "closing"), [("{{", "}}"), ("{{{", "}}}"), ("{{a|", "}}"), ("\n{|\n", "\n|}")])
def test_deep_nesting_goes(opening, closing):
    for depth in (1000, MAX_DEPTH // 2):
        assert plain_text(f"a {opening * depth}x{closing * depth} b").split() == ["a", "b"]
    assert plain_text(opening * 100_000 + "x" + closing * 100_000 + "\nend").endswith("end")


def test_a_closing_tag_is_looked_for_once():
    """100,000 openings in 1.5 MB: looking through the rest for each would take a hundred billion steps."""
    assert plain_text("<ref>a <math>b " * 100_000).startswith("a b a b")


MARKS = """{{ }} {{{ }}} [[ ]] [ ] {| |} | || '' ''' ''''' <ref> </ref> <ref /> <!-- --> <nowiki> </nowiki> <math>
    </math> <table> </table> <ul> </ul> <br> -{ }- zh-cn: ; __ __TOC__ &#91; &#123; &amp; &nbsp; &NewLine; &Tab; http://
    : File: fr: .jpg # a é 字"""
SPACES = (" ", "\n", "\n\n", "\n==", "==\n", "\n*", "\n:", "[//x ", "\r", "\t", "\0", "\u200e", "\u00ad", "\ud800")
PIECES = st.sampled_from([*MARKS.split(), *SPACES])


@settings(max_examples=1500)
@given(st.lists(PIECES, max_size=60).map("".join), st.booleans())
@example("]][]]", False)
@example("[]\u200e[[", True)
@example("&#91;\u00ad&#91;", False)
def test_any_text_gives_clean_lines(markup, lists):
    text = plain_text(markup, lists=lists)
    assert not any(pair in text for pair in ("[[", "]]", "{{", "}}"))
    assert text == "" or all(line == line.strip(" ") != "" for line in text.split("\n"))
    assert len(text) <= len(markup)


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_any_characters_are_read(markup):
    plain_text(markup)


WORDS = st.lists(st.sampled_from(["cat", "Haus", "été", "дом", "字"]), min_size=1, max_size=3).map(" ".join)
HIDDEN = st.recursive(
    st.one_of(WORDS, WORDS.map("<!-- [[{} -->".format)),
    lambda inner: st.one_of(
        inner.map("{{{{t|{}}}}}".format),
        inner.map("[[File:x.jpg|thumb|{}]]".format),
        inner.map("[[x|{}]]".format),
        inner.map("\n{{|\n| {}\n|}}\n".format),
        st.lists(inner, max_size=3).map(" ".join),
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(WORDS, HIDDEN, WORDS)
def test_well_formed_markup_leaves_the_words_around_it(before, hidden, after):
    for around in ("{{{{t|{}}}}}", "<ref>{}</ref>", "[[File:a.jpg|thumb|{}]]", "<!-- [[ -->{{{{a|{}\n}}}}"):
        text = plain_text(f"{before} {around.format(hidden)} {after}")
        assert text.split() == [*before.split(), *after.split()]
