"""What kernels need to work on one thing with several threads: turns, and signs of how far one is.

Numba has no atomic reads and writes for processors, so these are LLVM's. What a thread wrote before
it published a number, another one sees once it has read that number.
"""

from __future__ import annotations

import os
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

APART = 16
"""Numbers that different threads write are so many int64 apart, in cache lines of their own."""


def _place(context: Any, builder: Any, array: Any, value: Any, at: Any) -> Any:
    data = context.make_array(array)(context, builder, value).data
    return builder.gep(data, [at])


@intrinsic  # type: ignore[untyped-decorator]
def claim(typing: Any, array: Any, at: Any) -> Any:
    """Return ``array[at]`` of int64 and raise it by one, as a single step."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], *arguments)
        return builder.atomic_rmw("add", place, ir.IntType(64)(1), "acq_rel")

    return types.int64(array, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def published(typing: Any, array: Any, at: Any) -> Any:
    """Return ``array[at]`` of int64 as another thread has published it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], *arguments)
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(array, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def publish(typing: Any, array: Any, at: Any, number: Any) -> Any:
    """Write ``array[at]`` of int64 for other threads, after all that was written before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature.args[0], *arguments[:2])
        builder.store_atomic(arguments[2], place, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def rest(typing: Any) -> Any:
    """Let another thread have the processor, where there is one that waits for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if os.name == "posix":
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate
