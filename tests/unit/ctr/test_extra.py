"""Without the `train` extra the message names what to install."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from forebay import ctr
from forebay.errors import InputError


def test_a_missing_extra_is_named() -> None:
    with patch.object(ctr, "find_spec", return_value=None), pytest.raises(InputError, match="xgboost") as caught:
        ctr.require_train_extra()
    assert caught.value.kind == "missing-extra"
    assert "pip install 'forebay[train]'" in caught.value.todo
