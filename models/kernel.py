"""How a kernel is compiled: numba, no fastmath, division by zero gives inf or NaN.

A kernel is inlined into a composed `update` (see `models.compiled`), which is what is cached.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba.core import cgutils, types
from numba.extending import intrinsic, register_jitable

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Make `function` usable inside compiled code; called from Python it runs as Python.

    So a kernel's example needs no compiler, and a kernel costs no compilation of its own.
    """
    registered: F = register_jitable(
        error_model="numpy",
        fastmath=False,
        forceinline=True,
        # Nobody enters the compiled form from outside: the interpreter runs the function itself.
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
    )(function)
    return registered


@intrinsic
def borrowed(_: Any, array: types.Array) -> Any:
    """Return `array` without an owner, for the length of a compiled call whose caller owns it.

    A slice of an owned array counts its references; a composed update takes hundreds of slices,
    and the atomic counting of them costs more than the arithmetic.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        proxy = cgutils.create_struct_proxy(signature.return_type)  # type: ignore[no-untyped-call]
        view = proxy(context, builder, arguments[0])
        nobody = cgutils.get_null_value(cgutils.voidptr_t)  # type: ignore[no-untyped-call]
        view.meminfo = nobody
        view.parent = nobody
        return view._getvalue()

    return array(array), codegen
