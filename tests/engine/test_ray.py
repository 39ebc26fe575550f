"""Ray, on a cluster of two nodes: the same results, failures and bytes as on this machine's processes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mc2lib.engine.tasks import TaskFailure, run_tasks
from mc2lib.io.curated_pool import read_report
from mc2lib.io.match_store import open_indices
from mc2lib.io.pools.open_pool import open_pool
from mc2lib.params import CuratePool, Machine
from mc2lib.pipeline.build_metadata.wikipedia import build_wikipedia
from mc2lib.pipeline.curate import duplicate_search
from mc2lib.pipeline.curate.count_reduction import add_up
from mc2lib.pipeline.curate.cross_shard_images import find_repeats
from mc2lib.pipeline.curate.curate_pool import curate_pool
from mc2lib.pipeline.curate.duplicate_search import find_duplicates
from mc2lib.pipeline.export import export_pool
from tests.engine.tasks import die_until, give_lambda, square_or_fail
from tests.pipeline.build_metadata import test_wikipedia
from tests.pipeline.curate.test_curate_pool import HERE, SHARDS, recipe, result_bytes, write_metadata, write_pool
from tests.pipeline.curate.test_deduplication import PARAMS, samples, write_samples


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        import ray

        # connected once: each test would wait seconds for it
        ray.init(address=cluster.address, log_to_driver=False)
        assert len(ray.nodes()) == 2
        yield Machine(processes=2, checkpoint_seconds=1, engine="ray", address=cluster.address)
        ray.shutdown()
    finally:
        cluster.shutdown()


def test_ray_is_as_this_machine(machine: Machine, tmp_path: Path):
    found = dict(run_tasks(square_or_fail, range(6), machine, describe=lambda number: f"task {number}"))
    assert found == dict(run_tasks(square_or_fail, range(6), HERE, describe=lambda number: f"task {number}"))
    tasks = [(tmp_path, "a", 0), (tmp_path, "b", 1), (tmp_path, "c", 99)]
    few = Machine(processes=2, checkpoint_seconds=1, engine="ray", address=machine.address, retries=1)
    found = dict(run_tasks(die_until, tasks, few, describe=lambda task: task[1]))
    assert (found[0], found[1]) == ("a", "b")
    assert isinstance(found[2], TaskFailure) and (found[2].place, found[2].attempts) == ("c", 2)
    [(_, failure)] = run_tasks(give_lambda, [1], machine)
    assert callable(failure) or isinstance(failure, TaskFailure)  # Ray can send what pickle cannot


def test_duplicates_are_the_same_on_ray(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    metadata, pool = write_metadata(tmp_path / "metadata"), write_samples(tmp_path / "pool", samples())
    for name, engine in (("here", HERE), ("ray", machine)):
        curate_pool(open_pool(pool), metadata, tmp_path / name, PARAMS, engine)
    assert result_bytes(tmp_path / "here") == result_bytes(tmp_path / "ray")
    pool = recipe(tmp_path / "ray")
    names, found = read_report(pool)["shards"], pool.duplicates.with_suffix(".bin")
    wanted = found.read_bytes()
    assert len(wanted) > 80
    monkeypatch.setattr(duplicate_search, "FEW", 0)  # by tasks
    pool.duplicates.unlink()
    find_duplicates(pool, names, "near", PARAMS.duplicate_bits, machine, at_once=40)
    assert found.read_bytes() == wanted


def test_the_same_bytes_on_ray(machine: Machine, tmp_path: Path):
    metadata, pool = write_metadata(tmp_path / "metadata"), write_pool(tmp_path / "pool")
    for name, engine in (("here", HERE), ("ray", machine)):
        curate_pool(open_pool(pool), metadata, tmp_path / name, CuratePool(t_en=3), engine)
    assert result_bytes(tmp_path / "here") == result_bytes(tmp_path / "ray")
    # what is found over all shards, by tasks
    found, here = recipe(tmp_path / "ray"), recipe(tmp_path / "here")
    found.repeats.unlink()
    find_repeats(found, SHARDS, machine, at_once=30)
    assert found.repeats.with_suffix(".bin").read_bytes() == here.repeats.with_suffix(".bin").read_bytes()
    exported = [
        export_pool(found.draw(0), "parquet", tmp_path / f"{engine.engine}.export", engine, rows=10)
        for engine in (HERE, machine)
    ]
    assert [p.read_bytes() for p in exported[0]] == [p.read_bytes() for p in exported[1]] and len(exported[0]) > 2
    sizes = {name: index.size for name, index in open_indices(found.shared.index / "own").items()}
    about = (tmp_path / "sums", [found.counts(name) for name in SHARDS], found.strategy, sizes)
    whole, parts = add_up(*about, HERE), add_up(*about, machine, at_once=25)
    assert all((whole[name] == parts[name]).all() for name in sizes) and sum(map(sum, whole.values())) > 100


def test_the_same_lists_on_ray(machine: Machine, tmp_path: Path):
    for name, engine in (("here", HERE), ("ray", machine)):
        test_wikipedia.write_sources(tmp_path / name / "wikipedia")
        build_wikipedia(tmp_path / name, dataclasses.replace(test_wikipedia.make_params(), machine=engine))
    assert test_wikipedia.lists(tmp_path / "here") == test_wikipedia.lists(tmp_path / "ray")
