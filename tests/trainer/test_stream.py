"""What every stream is cut by."""

import pytest

from mc2lib.errors import InputError
from mc2lib.trainer.stream import prefetch


def test_prefetch_keeps_order_and_hands_on_errors():
    def items():
        yield from range(20)
        raise InputError("here", "broken", "Mend it.")

    got = []
    with pytest.raises(InputError, match="broken"):
        for item in prefetch(items(), ahead=2):
            got.append(item)
    assert got == list(range(20))
