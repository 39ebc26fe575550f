"""Compiled code of sources that changed is forgotten, other compiled code stays."""

from __future__ import annotations

from pathlib import Path

from mc2lib.engine.kernels import forget_stale_kernels


def test_compiled_code_is_forgotten_with_the_sources_it_came_from(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.py").write_text("from numba import njit\n")
    (tmp_path / "b.py").write_text("x = 1\n")
    compiled = tmp_path / "one" / "__pycache__" / "a.f.nbi"
    compiled.parent.mkdir()
    compiled.write_text("old")
    assert forget_stale_kernels(tmp_path) and not compiled.exists()
    compiled.write_text("new")
    (tmp_path / "b.py").write_text("x = 2\n")  # nothing is compiled of it
    assert not forget_stale_kernels(tmp_path) and compiled.exists()
    (tmp_path / "one" / "a.py").write_text("from numba import njit  # changed\n")
    assert forget_stale_kernels(tmp_path) and not compiled.exists()
    assert not forget_stale_kernels(tmp_path)
