"""Training that diverges is stopped, and the message says where."""

import pytest
import torch

from mc2lib.errors import InputError
from mc2lib.trainer.training_loop import require_finite_losses, require_finite_weights
from tests.trainer.test_recipe import make_recipe


def test_the_first_step_that_is_not_finite_is_named_and_the_checkpoint_with_it(tmp_path):
    recipe = make_recipe(title="arm x")
    require_finite_losses(recipe, tmp_path, 12, [1.0, 2.0])
    for means in ([1.0, float("nan"), 3.0, float("inf")], [1.0, float("nan"), float("nan"), 2.0]):
        with pytest.raises(InputError, match=r"arm x .*loss is nan in step 10: training diverged\. The same numbers"):
            require_finite_losses(recipe, tmp_path, 12, means)
    (tmp_path / "checkpoint.pt").touch()
    require_finite_weights(recipe, tmp_path, 3, {"a": torch.ones(2)})
    with pytest.raises(InputError, match=r"b is no longer finite after step 3.*checkpoint\.pt is of a step before it"):
        require_finite_weights(recipe, tmp_path, 3, {"a": torch.ones(2), "b": torch.tensor([1.0, float("inf")])})
