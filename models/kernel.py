"""How a kernel is compiled: numba, no fastmath, division by zero gives inf or NaN.

A kernel is inlined into a composed `update` (see `models.compiled`), which is what is cached.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile `function` for use inside a composed update; it stays callable from Python."""
    return cast(F, numba.njit(error_model="numpy", fastmath=False)(function))
