"""All benchmarks by name: what each needs on disk, and how to get it."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mc2lib.errors import InputError, nearest
from mc2lib.io.benchmarks import webdatasets
from mc2lib.io.benchmarks.benchmark_set import Benchmark
from mc2lib.io.benchmarks.own import open_own
from mc2lib.io.benchmarks.paper import (
    aligned_captions,
    babel_imagenet,
    cvqa,
    dollar_street,
    geode,
    gldv2,
    imagenet,
    xflickr_co,
    xm3600,
)

#: The name of all that the paper reports.
PAPER = "paper"
WEBDATASETS = "webdatasets"


@dataclass(frozen=True)
class Adapter:
    """One benchmark.

    Args:
        name: as it is asked for.
        title: what it measures, in a few words.
        folder: its folder below the benchmarks' folder.
        needs: patterns below the folder, of which each must find something; `|` parts alternatives.
        fetch: how to get it, and what its licence asks.
        open: reads it.
        paper: whether the paper reports it.
    """

    name: str
    title: str
    folder: str
    needs: tuple[str, ...]
    fetch: str
    open: Callable[[Path], Benchmark]
    paper: bool = True

    def find_lacking(self, data: Path) -> list[str]:
        """What of `needs` finds nothing."""
        folder = data / self.folder
        return [need for need in self.needs if not any(_finds(folder, pattern) for pattern in need.split("|"))]


def _finds(folder: Path, pattern: str) -> bool:
    return folder.is_dir() and next(iter(folder.glob(pattern)), None) is not None


FETCH_IMAGENET = (
    "ILSVRC 2012's validation images, ILSVRC2012_img_val.tar from image-net.org, sorted into val/<WordNet id>/. Its "
    "terms of access forbid passing the images on: register there"
)
FETCH_FLICKR = (
    "photographs of Flickr30k into images/: request them from the University of Illinois (shannon.cs.illinois.edu/"
    "DenotationGraph), whose terms forbid passing them on"
)
FETCH_COCO = "COCO's val2014 and train2014 photographs from cocodataset.org"
VAL = "val/*/*|val/*.JPEG|ILSVRC/Data/CLS-LOC/val/*|imagenet/val/*"
FETCH_DOLLAR_STREET = (
    "dataset_dollarstreet.zip from mlcommons.org/datasets/dollar-street (see its licence there), unpacked as "
    "dataset_dollarstreet/"
)
FETCH_GEODE = "index.csv and images/ from geodiverse-data-collection.cs.princeton.edu (see its licence there), unpacked"
FETCH_XM3600 = (
    "captions.zip (CC BY 4.0) and images.tgz (photographs of Open Images, see the README there) from "
    "google.github.io/crossmodal-3600, unpacked as captions.jsonl and images/"
)
FETCH_CVQA = (
    "the hub's data set afaji/cvqa: `hf download afaji/cvqa --repo-type dataset --local-dir DATA/cvqa`. Each "
    "photograph has a licence of its own, in the column License"
)

ADAPTERS: tuple[Adapter, ...] = (
    Adapter("imagenet", "zero-shot, 1,000 classes", "imagenet", (VAL,), FETCH_IMAGENET, imagenet.open_imagenet),
    Adapter(
        "imagenet-v2",
        "zero-shot on ImageNet-V2",
        "imagenet-v2",
        ("*/0/*|0/*",),
        "imagenetv2-matched-frequency.tar.gz from the hub's vaishaal/ImageNetV2 (MIT by its card), unpacked",
        imagenet.open_imagenet_v2,
        paper=False,
    ),
    *(
        Adapter(
            f"imagenet-{short}",
            f"zero-shot on {title}",
            f"imagenet-{short}",
            ("n*/*|*/n*/*",),
            fetch,
            functools.partial(imagenet.open_imagenet_variant, f"imagenet-{short}", inside),
            paper=False,
        )
        for short, title, inside, fetch in (
            (
                "a",
                "ImageNet-A",
                "imagenet-a",
                "imagenet-a.tar, linked from hendrycks/natural-adv-examples on GitHub (MIT), unpacked",
            ),
            (
                "r",
                "ImageNet-R",
                "imagenet-r",
                "imagenet-r.tar, linked from hendrycks/imagenet-r on GitHub (which names no licence), unpacked",
            ),
            (
                "sketch",
                "ImageNet-Sketch",
                "sketch",
                "ImageNet-Sketch.zip, linked from HaohanWang/ImageNet-Sketch on GitHub (MIT), unpacked",
            ),
        )
    ),
    Adapter(
        "babel-imagenet",
        "zero-shot in up to 298 languages",
        "babel-imagenet",
        (babel_imagenet.LABELS, babel_imagenet.PROMPTS),
        f"{babel_imagenet.LABELS} and {babel_imagenet.PROMPTS} from gregor-ge/Babel-ImageNet on GitHub, data/: labels "
        "of BabelNet, under its non-commercial licence; and the images of `imagenet`, next to this folder",
        babel_imagenet.open_babel_imagenet,
    ),
    Adapter(
        "xm3600",
        "retrieval in 36 languages",
        "xm3600",
        ("captions.jsonl", "images/*.jpg"),
        FETCH_XM3600,
        xm3600.open_xm3600,
    ),
    Adapter(
        "flickr30k-200",
        "retrieval in 201 languages",
        "flickr30k-200",
        ("filenames.txt", "*_*.txt", "images/*"),
        "filenames.txt, eng_captions.txt and the other captions from visheratin/nllb-clip on GitHub (which names no "
        f"licence), data/flickr30k-200; and {FETCH_FLICKR}",
        aligned_captions.open_flickr30k_200,
    ),
    Adapter(
        "xtd-200",
        "retrieval in 200 languages",
        "xtd-200",
        ("test_image_names.txt", "*_*.txt", "images/*"),
        "test_image_names.txt and the captions from visheratin/nllb-clip on GitHub (which names no licence), "
        f"data/xtd200, without English; and {FETCH_COCO}, the 1,000 named ones, in images/",
        aligned_captions.open_xtd200,
    ),
    Adapter(
        "xtd-10",
        "retrieval in 11 languages",
        "xtd-10",
        ("**/test_image_names.txt", "**/test_1kcaptions_*.txt", "images/*"),
        "XTD10/, MIC/ and STAIR/ from adobe-research/Cross-lingual-Test-Dataset-XTD10 on GitHub (Adobe Research "
        "Licence: non-commercial research only); and "
        f"{FETCH_COCO}, the 1,000 named ones, in images/",
        aligned_captions.open_xtd10,
    ),
    Adapter(
        "xflickr-co",
        "retrieval in 8 languages",
        "xflickr-co",
        ("annotations/*/test.jsonl", "images/*|flickr30k-images/*|flickr30k_images/*|val2014/*"),
        "annotations/ from e-bug/iglue on GitHub, datasets/xFlickrCO (MIT, but for data of others); "
        f"{FETCH_COCO}, in val2014/; "
        f"and {FETCH_FLICKR}",
        xflickr_co.open_xflickr_co,
    ),
    *(
        Adapter(
            f"cvqa-{language}",
            f"multiple choice, {words}",
            "cvqa",
            ("**/*.parquet|**/state.json",),
            FETCH_CVQA,
            functools.partial(cvqa.open_cvqa, language),
        )
        for language, words in (("local", "local languages"), ("en", "English"))
    ),
    Adapter(
        "dollar-street",
        "zero-shot by region and income",
        "dollar-street",
        tuple(f"{split}|*/{split}" for split in dollar_street.SPLITS),
        FETCH_DOLLAR_STREET,
        dollar_street.open_dollar_street,
    ),
    Adapter(
        "dollar-street-geo",
        "few-shot country",
        "dollar-street",
        tuple(f"{split}|*/{split}" for split in dollar_street.SPLITS),
        FETCH_DOLLAR_STREET,
        dollar_street.open_dollar_street_location,
    ),
    Adapter("geode", "zero-shot by region", "geode", ("index.csv|geode/index.csv",), FETCH_GEODE, geode.open_geode),
    Adapter(
        "geode-geo", "few-shot country", "geode", ("index.csv|geode/index.csv",), FETCH_GEODE, geode.open_geode_location
    ),
    Adapter(
        "xm3600-geo",
        "few-shot locale",
        "xm3600",
        ("captions.jsonl", "images/*.jpg"),
        FETCH_XM3600,
        xm3600.open_xm3600_location,
    ),
    Adapter(
        "gldv2",
        "zero-shot landmarks",
        "gldv2",
        (gldv2.SOLUTION, gldv2.LANDMARKS, gldv2.NAMES, "test/*"),
        "the three CSV files (CC BY 4.0) and the test images (listed as CC0 or public domain, without warranty) of "
        "Google Landmarks v2 from cvdfoundation/google-landmark on GitHub; for results by kind also "
        "index_label_to_hierarchical.csv, by region a landmark_regions.csv of your own (landmark_id, region)",
        gldv2.open_gldv2,
    ),
)


def find_adapters(data: Path) -> dict[str, Adapter]:
    """Every benchmark by name, with DataComp's and SLIP's sets as they are in `<data>/webdatasets`."""
    found = {adapter.name: adapter for adapter in ADAPTERS}
    for folder in webdatasets.list_webdatasets(data / WEBDATASETS):
        name = f"wds-{folder.name.removeprefix('wds_').removesuffix('_test')}"
        needs = (webdatasets.TEMPLATES, "test/*.tar")
        where = f"{WEBDATASETS}/{folder.name}"
        fetch = f"the hub's data set djghosh/{folder.name}: see its card for the licence"
        found[name] = Adapter(name, "zero-shot", where, needs, fetch, webdatasets.open_webdataset)
    return found


def choose_benchmarks(wanted: Sequence[str], data: Path) -> list[str]:
    """The names that some names and patterns ask for, in the registry's order; paths stay as they are.

    Args:
        wanted: names, patterns such as `xm*`, `paper` for all that the paper reports, or paths of sets of one's own.
        data: the benchmarks' folder.

    Raises:
        InputError: a name or pattern finds nothing.
    """
    adapters = find_adapters(data)
    chosen: list[str] = []
    for word in wanted:
        if "/" in word or word.endswith(".parquet"):
            found = [word]
        elif word == PAPER:
            found = [name for name, adapter in adapters.items() if adapter.paper]
        else:
            found = [name for name in adapters if fnmatch.fnmatchcase(name, word)]
        if not found:
            raise InputError("task", f"no benchmark '{word}'", nearest(word, [PAPER, *adapters]))
        chosen += [name for name in found if name not in chosen]
    return chosen


def open_benchmark(name: str, data: Path) -> Benchmark:
    """Open a benchmark by name, or a set of one's own by its path.

    Args:
        name: of `choose_benchmarks`.
        data: the benchmarks' folder.

    Raises:
        InputError: it is not there, or cannot be used.
    """
    if "/" in name or name.endswith(".parquet"):
        return open_own(Path(name))
    adapter = find_adapters(data)[name]
    lacking = adapter.find_lacking(data)
    if lacking:
        fault = f"{name} lacks {', '.join(need.replace('|', ' or ') for need in lacking)}"
        raise InputError(str(data / adapter.folder), fault, f"Get {adapter.fetch}.")
    return adapter.open(data / adapter.folder)


def list_benchmarks(data: Path) -> str:
    """Every benchmark: whether it is here, and if not what is missing and how to get it.

    Args:
        data: the benchmarks' folder.
    """
    lines = [f"benchmarks in {data} ('{PAPER}' asks for those with *)"]
    for name, adapter in find_adapters(data).items():
        lacking = [need.replace("|", " or ") for need in adapter.find_lacking(data)]
        mark = "*" if adapter.paper else " "
        state = f"missing {', '.join(lacking)}" if lacking else "here"
        lines.append(f"{mark} {name:18} {adapter.title}: {state}")
        if lacking:
            lines.append(f"    get {adapter.fetch}; it belongs in {adapter.folder}/")
    return "\n".join(lines)
