"""What the splitters share: a scikit-learn splitter that knows when labels start and end.

The times come in one of two ways:

- to the constructor, `start_ts` and `end_ts`, one per row of X: for `cross_val_score(cv=...)` and
  whatever else splits the very same rows;
- as `groups`, int64 (n, 2) of `[start_ts, end_ts]`, which goes before the constructor's: for one
  splitter on several data sets, and for searches nested in folds. `cross_val_score(groups=...)`
  takes it; with scikit-learn's metadata routing `params={"groups": ...}` does, and hands each
  inner search the rows of its fold.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from sklearn.model_selection import BaseCrossValidator

from streams.errors import DataError
from trainers.splits import Split
from trainers.validation.label_spans import LabelSpans, label_spans
from trainers.validation.purge import checked_embargo


class SpanSplitter(BaseCrossValidator):  # type: ignore[misc]  # scikit-learn has no types
    """A splitter by label spans; rows may come in any order, row numbers ascend.

    Raises ConfigError for an embargo out of range; `split` raises DataError for spans that
    cannot be used, or are not those of the rows of X.
    """

    # scikit-learn's word for "routed to `split` unless told otherwise".
    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    def __init__(self, *, embargo_ns: int, start_ts: Any, end_ts: Any) -> None:
        self.embargo_ns = checked_embargo(embargo_ns)
        self.start_ts = start_ts
        self.end_ts = end_ts

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[Split]:  # noqa: N803
        """Return the splits, int64 row numbers each; `X` is only counted, `y` not looked at."""
        return self._divide(self.spans(X, groups))

    def spans(self, X: Any = None, groups: Any = None) -> LabelSpans:  # noqa: N803
        """Return the label spans in force: of `groups`, else of the constructor."""
        if groups is not None:
            pairs = np.asarray(groups)
            if pairs.ndim != 2 or pairs.shape[1] != 2:
                raise DataError(
                    "groups must be two columns, [start_ts, end_ts] of each label, was of shape "
                    f"{pairs.shape}: np.column_stack((start_ts, end_ts)) makes them"
                )
            found = label_spans(pairs[:, 0], pairs[:, 1])
        elif self.start_ts is None or self.end_ts is None:
            raise DataError(
                f"{type(self).__name__} needs to know when labels start and end: give start_ts and "
                "end_ts to it, or groups=np.column_stack((start_ts, end_ts)) to the call"
            )
        else:
            found = label_spans(self.start_ts, self.end_ts)
        if X is not None and _rows(X) != found.start_ts.size:
            raise DataError(
                f"X has {_rows(X)} rows, the labels {found.start_ts.size}: a splitter that is "
                "given other rows than those it was made for takes their spans as groups"
            )
        return found

    @abstractmethod
    def _divide(self, spans: LabelSpans) -> Iterator[Split]:
        """Yield the splits of these labels."""


def _rows(x: Any) -> int:
    return int(x.shape[0]) if hasattr(x, "shape") else len(x)
