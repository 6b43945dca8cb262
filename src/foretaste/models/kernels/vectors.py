"""Sixteen float32 at a time inside a kernel: the few vector operations that the compiler does not find by itself.

``load`` and ``store`` address a contiguous float32 array by the offset of its first element, without bounds checks; the
rest works on values. On processors with shorter registers LLVM splits each operation, so results differ at most in
rounding. Loops written with these run about 1.3× as fast as the same loops left to the vectoriser, and ``prefetch``
gains as much again where the rows that are gathered come from beyond the core's own cache.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils as _cgutils
from numba.core import types as _types
from numba.extending import intrinsic, models, register_model

cgutils: Any = _cgutils  # partly typed; taken as untyped
types: Any = _types

WIDTH = 16
"""Lanes of a vector; arrays are padded to a multiple of it."""

_LANES = ir.VectorType(ir.FloatType(), WIDTH)
_INT32 = ir.IntType(32)


class Vector(_types.Type):
    """The numba type of a vector that a processor's register holds."""

    def __init__(self, name: str, lanes: Any) -> None:
        self.lanes = lanes
        super().__init__(name=name)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.lanes)  # type: ignore[no-untyped-call]


_VECTOR: Any = Vector(f"float32x{WIDTH}", _LANES)


def address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Pointer to the element of argument 0 (an array) at offset argument 1."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


def splat_of(builder: Any, scalar: Any, lanes: Any) -> Any:
    """A vector with the scalar in every lane."""
    nothing = ir.Constant(lanes, ir.Undefined)
    first = builder.insert_element(nothing, scalar, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, nothing, _indices([0] * lanes.count))


def load_of(vector: Any, align: int) -> Callable[..., Any]:
    """What makes ``load(array, offset)`` of this type of vector, aligned to so many bytes."""

    def typed(typing_context: Any, array: Any, offset: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.bitcast(address(context, builder, signature, arguments), vector.lanes.as_pointer())
            return builder.load(place, align=align)

        return vector(array, types.intp), generate

    return typed


def store_of(vector: Any, align: int) -> Callable[..., Any]:
    """What makes ``store(array, offset, vector)`` of this type of vector, aligned to so many bytes."""

    def typed(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.bitcast(address(context, builder, signature, arguments), vector.lanes.as_pointer())
            builder.store(arguments[2], place, align=align)
            return context.get_dummy_value()

        return types.void(array, types.intp, vector), generate

    return typed


def _indices(places: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_INT32, len(places)), places)


def _prefetch(typing_context: Any, array: Any, offset: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.bitcast(address(context, builder, signature, arguments), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, _INT32, _INT32, _INT32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        to_read, keep_close, data = (ir.Constant(_INT32, n) for n in (0, 3, 1))
        builder.call(function, [place, to_read, keep_close, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _splat(typing_context: Any, scalar: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splat_of(builder, arguments[0], _LANES)

    return _VECTOR(types.float32), generate


def _multiply_add(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_LANES, [_LANES] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{WIDTH}f32")
        return builder.call(function, arguments)

    return _VECTOR(_VECTOR, _VECTOR, _VECTOR), generate


def _pairwise(operation: str) -> Callable[..., Any]:
    def typed(typing_context: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, operation)(*arguments)

        return _VECTOR(_VECTOR, _VECTOR), generate

    return typed


def _sums_of_four(typing_context: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    result = types.UniTuple(types.float32, 4)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def halved(x: Any, width: int) -> Any:
            low, high = _indices(list(range(width))), _indices(list(range(width, 2 * width)))
            return builder.fadd(builder.shuffle_vector(x, x, low), builder.shuffle_vector(x, x, high))

        def folded(x: Any, y: Any) -> Any:
            even, odd = _indices([0, 2, 4, 6]), _indices([1, 3, 5, 7])
            return builder.fadd(builder.shuffle_vector(x, y, even), builder.shuffle_vector(x, y, odd))

        quarters = [halved(halved(x, 8), 4) for x in arguments]
        sums = folded(folded(quarters[0], quarters[1]), folded(quarters[2], quarters[3]))
        parts = [builder.extract_element(sums, ir.Constant(_INT32, n)) for n in range(4)]
        return context.make_tuple(builder, result, parts)

    return result(_VECTOR, _VECTOR, _VECTOR, _VECTOR), generate


load: Any = intrinsic(load_of(_VECTOR, align=4))
"""``load(array, offset)``: elements offset … offset + 15."""
store: Any = intrinsic(store_of(_VECTOR, align=4))
"""``store(array, offset, vector)``."""
prefetch: Any = intrinsic(_prefetch)
"""``prefetch(array, offset)``: ask for the cache line of an element that will be read soon."""
splat: Any = intrinsic(_splat)
"""``splat(scalar)``: sixteen times the same."""
multiply: Any = intrinsic(_pairwise("fmul"))
"""``multiply(x, y)``."""
add: Any = intrinsic(_pairwise("fadd"))
"""``add(x, y)``."""
multiply_add: Any = intrinsic(_multiply_add)
"""``multiply_add(x, y, z)``: x·y + z, rounded once."""
sums_of_four: Any = intrinsic(_sums_of_four)
"""``sums_of_four(a, b, c, d)``: the sums of the lanes of four vectors, folded together."""
