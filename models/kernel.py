"""How a kernel is compiled: numba, no fastmath, division by zero gives inf or NaN.

A kernel is inlined into a composed `update` (see `models.compiled`), which is what is cached.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile `function` for use inside a composed update; it stays callable from Python."""
    compiled = numba.njit(error_model="numpy", fastmath=False, forceinline=True)(function)
    return cast(F, compiled)


@intrinsic  # type: ignore[untyped-decorator]
def borrowed(_: Any, array: types.Array) -> Any:
    """Return `array` without an owner, for the length of a compiled call whose caller owns it.

    A slice of an owned array counts its references; a composed update takes hundreds of slices,
    and the atomic counting of them costs more than the arithmetic.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = cgutils.create_struct_proxy(signature.return_type)(context, builder, arguments[0])
        nobody = ir.Constant(cgutils.voidptr_t, None)
        view.meminfo = nobody
        view.parent = nobody
        return view._getvalue()

    return array(array), codegen
