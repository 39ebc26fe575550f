"""Curation beside the plain pipeline that one writes with the field's libraries: speed, memory, bytes on disk.

    make bench WHAT=curation

Needs a study whose pool and metadata are built (`make repro`, or `dvc repro metadata pool`). The whole
(`benchmarks.curation_whole`), then language id and matching by themselves (`benchmarks.curation_lid`,
`benchmarks.curation_match`), and memory (`benchmarks.curation_memory`). The last line is one JSON object.
"""

from __future__ import annotations

import json

MATCHED = ("en", "zh", "th", "de", "hi", "ja")


def main() -> None:
    """Print the figures as they come, and all of them as JSON last."""
    # here, as every worker of the curation imports this module again and has no use for them
    from benchmarks.curation_lid import bench_lid
    from benchmarks.curation_match import bench_match
    from benchmarks.curation_memory import bench_memory
    from benchmarks.curation_whole import DRAWS, bench_whole
    from mc2lib.errors import InputError
    from mc2lib.io.config import find_root, load_params
    from mc2lib.io.study_paths import Paths

    root = find_root()
    pools = [Paths(root).pool("base", seed) for seed in load_params(root).seeds[:DRAWS]]
    if not all(path.exists() for path in [*pools, Paths(root).metadata("en")]):
        error = InputError("data", "no pool and metadata to measure with", "Run `dvc repro metadata pool`.")
        raise SystemExit(f"error: {error}")
    whole = bench_whole(root)
    print(f"end to end: {whole}", flush=True)
    lid = bench_lid()
    print(f"language id: {lid}", flush=True)
    matching = bench_match(root, MATCHED)  # prints each
    memory = bench_memory(root)
    print(f"memory: {memory}", flush=True)
    print(
        json.dumps(
            {
                "what": "curation",
                "match_speedup": {language: round(row["speedup"], 2) for language, row in matching.items()},
                "lid_speedup": lid["lid_speedup"],
                "end_to_end_speedup": whole["end_to_end_speedup"],
                "memory_ratio": round(1 / memory["memory_ratio"], 4),
                "disk_ratio": whole["disk_ratio"],
                "equal": bool(whole["equal"] and lid["equal"]),
            }
        )
    )


if __name__ == "__main__":
    main()
