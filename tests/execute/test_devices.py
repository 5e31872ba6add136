"""Which devices can be asked for."""

from __future__ import annotations

import pytest

from assetforge.errors import UsageError
from assetforge.execute.devices import check_device


@pytest.mark.parametrize("wrong", ["gpu", "cuda:x", "cuda:", "mps", ""])
def test_a_device_that_cannot_be_is_refused_without_torch(wrong: str) -> None:
    with pytest.raises(UsageError, match="is no device"):
        check_device(wrong)
