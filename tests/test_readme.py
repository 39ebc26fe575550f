"""README says what results/ holds, and names commands that are there."""

import csv
import re
import statistics
from collections import defaultdict

import pytest
from scipy.special import stdtrit

from mc2lib.commands.command_line import parse_arguments
from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.reporting.effects import EFFECTS
from mc2lib.study.readme import BEGIN, END, headline_block, replace_block, write_readme
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = README.partition(BEGIN)[2].partition(END)[0]
ROWS = re.findall(r"^\| (`[a-z-]+`|\*[a-z ]+\*) \| ([^|]*) \| ([^|]+) \| ([^|]+) \|$", BLOCK, flags=re.MULTILINE)
ARMS = {"*chance*": "chance", "*nearest neighbour on pixels*": "pixel neighbour"}


def read_values():
    """arm and measure to values, one a seed, straight from the CSV files."""
    found = defaultdict(list)
    for path in [ROOT / "results" / "controls.csv", *sorted((ROOT / "results" / "evaluation").glob("*.csv"))]:
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if row["language"] == "":
                    found[row["arm"], row["measure"]].append(float(row["value"]))
    return found


VALUES = read_values()


def test_the_block_is_what_the_command_writes():
    """`make readme` mends it."""
    assert f"\n\n{headline_block(ROOT, load_params(ROOT))}\n" == BLOCK


def test_the_table_holds_the_controls_and_the_main_arms():
    assert [ARMS.get(name, name.strip("`")) for name, *_ in ROWS] == [
        "chance", "pixel neighbour", *load_params(ROOT).table("main"),
    ]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[name for name, *_ in ROWS])
def test_a_row_is_of_the_last_run_in_all_columns(row):
    name, ratio, *pairs = row
    arm = ARMS.get(name, name.strip("`"))
    rounding = 0.005 if arm == "chance" else 0.05
    for measure, pair in zip(("en_top1", "world_top1"), pairs, strict=True):
        mean, spread = (float(number) for number in pair.split(" ± "))
        values = [100 * value for value in VALUES[arm, measure]]
        assert abs(mean - statistics.mean(values)) <= rounding + 1e-9
        assert abs(spread - statistics.stdev(values)) <= rounding + 1e-9
    seen, unit = VALUES[arm, "seen_pairs"], VALUES["small-english", "seen_pairs"]
    assert bool(ratio.strip()) == bool(seen and unit)
    if seen and unit:
        assert abs(float(ratio.rstrip("× ")) - statistics.mean(seen) / statistics.mean(unit)) <= 0.005 + 1e-9


def test_no_number_of_the_study_stands_outside_the_block():
    """Means with a spread come from results/ alone."""
    outside = README.replace(BLOCK, "")
    assert " ± " in BLOCK and not re.findall(r"\d ± \d", outside)


def test_the_effects_are_those_of_the_last_run():
    """The questions of the main table, at the large tower where both towers ask them; numbers by the definition."""
    told = ["curse_large", "seen_pairs_large", "other_languages_large"]
    told += ["curse_stays_small", "curse_broken_large", "capacity"]
    effects = {effect.key: effect for effect in EFFECTS}
    bullets = re.findall(r"^- (?:.*\n)(?:  .*\n)*", BLOCK, re.MULTILINE)
    assert len(bullets) == len(told)
    for key, bullet in zip(told, bullets, strict=True):
        plus, minus = (
            [sum(seed) for seed in zip(*(VALUES[arm, effects[key].measure] for arm in arms), strict=True)]
            for arms in (effects[key].plus, effects[key].minus)
        )
        differences = [100 * (more - less) for more, less in zip(plus, minus, strict=True)]
        half = stdtrit(len(differences) - 1, 0.975) * statistics.stdev(differences) / len(differences) ** 0.5
        mean = statistics.mean(differences)
        interval = f"{mean - half:+.1f} to {mean + half:+.1f}"
        said = f"({mean:+.1f} points, 95 % interval {interval}, p ".replace("-", "−")
        assert said in " ".join(bullet.split()), key


def test_the_command_writes_between_the_marks_and_nowhere_else(tmp_path):
    (tmp_path / "results").symlink_to(ROOT / "results", target_is_directory=True)
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}\nold ± 1\n{END}\nafter\n", encoding="utf-8")
    write_readme(tmp_path, load_params(ROOT))
    written = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert written == f"before\n{BEGIN}{BLOCK}{END}\nafter\n"
    write_readme(tmp_path, load_params(ROOT))
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == written


@pytest.mark.parametrize("text", ["no marks", BEGIN, END, f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}"])
def test_a_readme_without_its_marks_is_refused_with_the_remedy(text):
    with pytest.raises(InputError, match=r"README\.md: its block of results is not marked\. Put the lines"):
        replace_block(text, "new", "README.md")


def test_it_names_the_commands_that_a_reader_needs_first():
    targets = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))
    assert {"repro", "test", "smoke", "curate", "export", "train", "metadata", "lab", "docs"} <= targets


def test_its_lines_are_short_where_markdown_allows():
    long = [line for line in README.splitlines() if len(line) > 121 and not line.startswith("|")]
    assert not long


def test_the_commands_that_it_shows_parse():
    assert parse_arguments(["explain", "out", "a red heart"]).text == "a red heart"
    assert parse_arguments(["readme"]).command == "readme"
    assert parse_arguments(["metadata", "--languages", "th", "lo"]).languages == ["th", "lo"]
    options = parse_arguments(["curate", "pool", "--language", "lid", "--t-en", "20000", "--epochs", "2"])
    assert (options.language, options.t_en, options.epochs) == ("lid", 20000, 2)
