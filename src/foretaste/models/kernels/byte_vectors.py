"""Products of small integers, 32 at a time, inside a kernel: AVX2's «multiply bytes, add neighbours».

One instruction multiplies 32 unsigned bytes by 32 signed ones and adds neighbouring products into 16 short integers:
four times the multiplications of a float32 instruction. Such a kernel compiles only where :func:`has_byte_products`.
Loads are not checked against bounds.
"""

from functools import cache
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from llvmlite.binding import get_host_cpu_features  # type: ignore[import-untyped]
from numba.core import config as _config
from numba.extending import intrinsic

from foretaste.models.kernels.vectors import Vector, address, cgutils, load_of, splat_of, store_of, types

numba_config: Any = _config  # partly typed; taken as untyped

LANES = 16
"""Short integers of a vector."""

_BYTE = ir.IntType(8)
_SHORT = ir.IntType(16)
_INT = ir.IntType(32)
_BYTES = ir.VectorType(_BYTE, 2 * LANES)
_SHORTS = ir.VectorType(_SHORT, LANES)
_INTS = ir.VectorType(_INT, LANES // 2)


@cache
def has_byte_products() -> bool:
    """Whether the code that numba makes on this machine may use the instruction."""
    if numba_config.CPU_NAME or numba_config.CPU_FEATURES:  # somebody asked for other machine code than the host's
        return False
    return bool(get_host_cpu_features().get("avx2", False))


_VECTOR: Any = Vector(f"int16x{LANES}", _SHORTS)


def _repeat_pair(typing_context: Any, array: Any, offset: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        scalar = builder.load(address(context, builder, signature, arguments))
        return builder.bitcast(splat_of(builder, scalar, _INTS), _SHORTS)

    return _VECTOR(array, types.intp), generate


def _splat_short(typing_context: Any, scalar: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splat_of(builder, arguments[0], _SHORTS)

    return _VECTOR(types.int16), generate


def _add_byte_products(typing_context: Any, total: Any, unsigned: Any, signed: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_SHORTS, [_BYTES, _BYTES])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx2.pmadd.ub.sw")
        factors = [builder.bitcast(argument, _BYTES) for argument in arguments[1:]]
        return builder.add(arguments[0], builder.call(function, factors))

    return _VECTOR(_VECTOR, _VECTOR, _VECTOR), generate


def _add_shorts(typing_context: Any, a: Any, b: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.add(*arguments)

    return _VECTOR(_VECTOR, _VECTOR), generate


def _exceed(typing_context: Any, a: Any, bound: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        above = builder.icmp_signed(">", *arguments)
        return builder.zext(builder.bitcast(above, _SHORT), _INT)

    return types.uint32(_VECTOR, _VECTOR), generate


def _mark_above(typing_context: Any, a: Any, bound: Any, marks: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        above = builder.icmp_signed(">", *arguments[:2])
        return builder.or_(arguments[2], builder.sext(above, _SHORTS))

    return _VECTOR(_VECTOR, _VECTOR, _VECTOR), generate


def _is_any(typing_context: Any, mask: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        negative = builder.icmp_signed("<", arguments[0], ir.Constant(_SHORTS, [0] * LANES))
        return builder.icmp_unsigned("!=", builder.bitcast(negative, _SHORT), ir.Constant(_SHORT, 0))

    return types.boolean(_VECTOR), generate


def _lowest_bit(typing_context: Any, mask: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.sext(builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1)), ir.IntType(64))

    return types.intp(types.uint32), generate


load_shorts: Any = intrinsic(load_of(_VECTOR, align=1))
"""``load_shorts(array, offset)``: 32 bytes from the element at offset on, taken as sixteen pairs of bytes."""
store_shorts: Any = intrinsic(store_of(_VECTOR, align=1))
"""``store_shorts(array, offset, vector)``."""
repeat_pair: Any = intrinsic(_repeat_pair)
"""``repeat_pair(array, offset)``: an int32, which holds a pair of bytes twice, repeated to fill a vector."""
splat_short: Any = intrinsic(_splat_short)
"""``splat_short(scalar)``: sixteen times the same."""
add_byte_products: Any = intrinsic(_add_byte_products)
"""``add_byte_products(total, unsigned, signed)``: total + the sums of neighbouring products, modulo 2¹⁶; the sum of two
products must lie within a short integer."""
add_shorts: Any = intrinsic(_add_shorts)
"""``add_shorts(a, b)``, modulo 2¹⁶."""
exceed: Any = intrinsic(_exceed)
"""``exceed(a, bound)``: a bit for each of the 16 lanes of a that is above that of ``bound``."""
mark_above: Any = intrinsic(_mark_above)
"""``mark_above(a, bound, marks)``: marks, with those lanes set where a is above ``bound``."""
is_any: Any = intrinsic(_is_any)
"""``is_any(marks)``: whether a lane is set."""
lowest_bit: Any = intrinsic(_lowest_bit)
"""``lowest_bit(mask)``: the place of the lowest bit that is set; ``mask`` is not 0."""
