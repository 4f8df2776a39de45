"""A history is whole, in order, and can be cut."""

import numpy as np
import pytest

from engine.backtests.bar_history import BarHistory
from streams.errors import ConfigError


def history(counts=(3, 0, 2), first_ts=10) -> BarHistory:
    symbols = tuple("ABCDEF"[: len(counts)])
    starts = np.concatenate(([0], np.cumsum(counts)))
    ts = np.concatenate([np.arange(count) + first_ts for count in counts])
    values = np.arange(5.0 * len(ts)).reshape(-1, 5) + 1.0
    return BarHistory(symbols, "1d", starts, ts, values)


def test_rows_belong_to_symbols():
    whole = history()
    assert len(whole) == 5
    assert whole.slots.tolist() == [0, 0, 0, 2, 2]
    assert whole.rows_of("C") == slice(3, 5)
    assert whole.by_time.tolist() == [0, 3, 1, 4, 2]
    assert whole.instants.tolist() == [10, 11, 12]
    with pytest.raises(ConfigError, match="'D' is not in the bars"):
        whole.rows_of("D")


def test_a_cut_keeps_the_symbols_and_both_ends():
    cut = history().between(11, 12)
    assert cut.symbols == ("A", "B", "C")
    assert cut.starts.tolist() == [0, 2, 2, 3]
    assert cut.ts.tolist() == [11, 12, 11]
    assert len(history().between(99, 100)) == 0


def test_symbols_are_chosen_in_their_order():
    chosen = history().of_symbols(("C", "A", "C"))
    assert chosen.symbols == ("A", "C")
    assert chosen.starts.tolist() == [0, 3, 5]
    assert chosen.values[3:].tolist() == history().values[3:].tolist()


def test_the_digest_knows_every_number():
    whole = history()
    assert whole.digest() == history().digest()
    other = history()
    other.values[4, 3] += 1e-9
    assert other.digest() != whole.digest()
    assert history(first_ts=11).digest() != whole.digest()
    assert history((3, 1, 1)).digest() != whole.digest()


def test_columns_can_be_written_and_are_contiguous():
    ts = np.arange(4)[::2]
    ts.flags.writeable = False
    made = BarHistory(("A",), "1d", np.array([0, 2]), ts, np.ones((5, 2)).T)
    assert made.ts.flags.writeable
    assert made.ts.flags.c_contiguous
    assert made.values.flags.c_contiguous


@pytest.mark.parametrize(
    ("symbols", "starts", "ts", "text"),
    [
        (("A",), [0, 2, 2], [1, 2], "shapes"),
        (("A",), [0, 1], [1, 2], "ascend from 0 to 2"),
        (("B", "A"), [0, 1, 2], [1, 2], "ascending, each once"),
        (("A",), [0, 2], [2, 2], "ts must ascend"),
    ],
)
def test_columns_that_do_not_fit_are_refused(symbols, starts, ts, text):
    with pytest.raises(ValueError, match=text):
        BarHistory(symbols, "1d", np.array(starts), np.array(ts), np.ones((len(ts), 5)))
