from mc2lib.io.config import load_params
from mc2lib.study.access.arm_list import arms_text, list_arms
from tests.conftest import ROOT


def test_every_arm_is_listed_with_what_it_sees() -> None:
    params = load_params(ROOT, "smoke")
    table = list_arms(ROOT, "smoke").set_index("arm")
    assert list(table.index) == list(params.arms)
    small = table.loc["small-english"]
    assert (small["tower"], small["curation"], small["languages"]) == ("small", "english", "english")
    assert small["batch"] == params.training.batch_size and small["steps"] == params.training.steps
    assert (table["seen_pairs"] == table["batch"] * table["steps"]).all()
    lines = arms_text(ROOT, "smoke").splitlines()
    assert lines[0].split()[:2] == ["arm", "tower"] and lines[0].endswith("seen pairs")
    assert [line.split()[0] for line in lines[1:]] == list(params.arms)
    assert len({len(line) for line in lines}) == 1, "columns are as wide as their widest cell"
