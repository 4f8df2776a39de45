"""A history goes into the stream only if its bars can be taken there."""

import numpy as np
import pytest

from deploy.playback import check_past
from streams.block import Block
from streams.columns import BarColumns
from streams.errors import DataError
from streams.events import Bar

DAY_NS = 86_400_000_000_000
NOW_NS = 20_000 * DAY_NS


def test_a_history_that_lies_ahead_is_refused_and_says_so():
    ahead = NOW_NS + DAY_NS + 1
    bar = Bar("A", "1d", ahead, 1.0, 1.0, 1.0, 1.0, 1.0)
    columns = BarColumns(("A",), "1d", np.array([ahead]), np.ones((1, 5)))
    for history in ([[bar]], [Block((columns,), ahead, ahead, 1)]):
        with pytest.raises(DataError, match=r"2024-10-05.*is it a forecast"):
            check_past(history, NOW_NS)
        check_past(history, NOW_NS + 1)
    check_past([], NOW_NS)
