"""Eight numbers side by side, as a type that compiled functions know: what a processor's vector instructions work on.

Inside compiled code `Lanes` are added, multiplied and compared like floats, with each other or with a float; a comparison gives
`Flags`, from which `where` chooses. Each operation is that of IEEE 754 in every lane, in the order in which it is written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numba
import numba.core.cgutils
import numba.extending
from llvmlite import ir

WIDTH = 8

# The compiler's own parts, which Python's types describe in some versions and not in others.
extending: Any = numba.extending
models: Any = numba.extending.models
types: Any = numba.types
get_or_insert_function: Any = numba.core.cgutils.get_or_insert_function

Generator = TypeVar("Generator", bound=Callable[..., Any])


def intrinsic(function: Callable[..., Any]) -> Any:
    """A function that writes its own machine code."""
    return extending.intrinsic(function)


def lower_builtin(function: Any, *of: Any) -> Callable[[Generator], Generator]:
    """The machine code of an operator."""
    decorator: Callable[[Generator], Generator] = extending.lower_builtin(function, *of)
    return decorator


def type_callable(function: Any) -> Callable[[Generator], Generator]:
    """The type of an operator's result."""
    decorator: Callable[[Generator], Generator] = extending.type_callable(function)
    return decorator


# What the functions below take and give is known to the compiler alone.
Lanes: TypeAlias = Any
Flags: TypeAlias = Any

DOUBLES, BITS = ir.VectorType(ir.DoubleType(), WIDTH), ir.VectorType(ir.IntType(1), WIDTH)
INDEX, BYTES_OF_DOUBLE = ir.IntType(32), 8


class LanesType(types.Type):  # type: ignore[misc]
    """The compiler's type of `WIDTH` doubles."""

    def __init__(self) -> None:
        super().__init__(name=f"lanes({WIDTH})")


class FlagsType(types.Type):  # type: ignore[misc]
    """The compiler's type of `WIDTH` truth values."""

    def __init__(self) -> None:
        super().__init__(name=f"flags({WIDTH})")


LANES, FLAGS = LanesType(), FlagsType()


@extending.register_model(LanesType)
class LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector register."""

    def __init__(self, manager: Any, of: Any) -> None:
        super().__init__(manager, of, DOUBLES)


@extending.register_model(FlagsType)
class FlagsModel(models.PrimitiveModel):  # type: ignore[misc]
    """A mask register."""

    def __init__(self, manager: Any, of: Any) -> None:
        super().__init__(manager, of, BITS)


def spread(builder: Any, value: Any) -> Any:
    """A vector as it is, and a number in all lanes."""
    if value.type == DOUBLES:
        return value
    nothing = ir.Constant(DOUBLES, ir.Undefined)
    first = builder.insert_element(nothing, value, INDEX(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(INDEX, WIDTH), [0] * WIDTH))


def numbers(*of: Any) -> bool:
    """Whether all are lanes or floats."""
    return all(one in (LANES, types.float64) for one in of)


def define(function: Any, result: Any, generate: Callable[[Any, Any, Any], Any]) -> None:
    """Teach the compiler an operator of lanes with lanes or floats."""

    @type_callable(function)
    def typed(context: Any) -> Any:  # noqa: ARG001
        return lambda a, b: result if LANES in (a, b) and numbers(a, b) else None

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return generate(builder, *(spread(builder, one) for one in arguments))

    for pair in ((LANES, LANES), (LANES, types.float64), (types.float64, LANES)):
        lower_builtin(function, *pair)(lower)


def define_logical(function: Any, generate: Callable[[Any, Any, Any], Any]) -> None:
    """Teach the compiler an operator of flags."""

    @type_callable(function)
    def typed(context: Any) -> Any:  # noqa: ARG001
        return lambda a, b: FLAGS if a == FLAGS and b == FLAGS else None

    @lower_builtin(function, FLAGS, FLAGS)
    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return generate(builder, *arguments)


for function in (operator.add, operator.iadd):
    define(function, LANES, lambda builder, a, b: builder.fadd(a, b))
for function in (operator.mul, operator.imul):
    define(function, LANES, lambda builder, a, b: builder.fmul(a, b))
define(operator.sub, LANES, lambda builder, a, b: builder.fsub(a, b))
define(operator.truediv, LANES, lambda builder, a, b: builder.fdiv(a, b))
define(operator.lt, FLAGS, lambda builder, a, b: builder.fcmp_ordered("<", a, b))
define(operator.le, FLAGS, lambda builder, a, b: builder.fcmp_ordered("<=", a, b))
define(operator.gt, FLAGS, lambda builder, a, b: builder.fcmp_ordered(">", a, b))
define(operator.ge, FLAGS, lambda builder, a, b: builder.fcmp_ordered(">=", a, b))
define(operator.eq, FLAGS, lambda builder, a, b: builder.fcmp_ordered("==", a, b))
# Not equal is also what is no number.
define(operator.ne, FLAGS, lambda builder, a, b: builder.fcmp_unordered("!=", a, b))
define_logical(operator.and_, lambda builder, a, b: builder.and_(a, b))
define_logical(operator.or_, lambda builder, a, b: builder.or_(a, b))


@type_callable(operator.neg)
def typed_negative(context: Any) -> Any:  # noqa: ARG001
    """-lanes."""
    return lambda a: LANES if a == LANES else None


@lower_builtin(operator.neg, LANES)
def lower_negative(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
    """-lanes."""
    return builder.fneg(arguments[0])


@type_callable(operator.invert)
def typed_not(context: Any) -> Any:  # noqa: ARG001
    """~flags."""
    return lambda a: FLAGS if a == FLAGS else None


@lower_builtin(operator.invert, FLAGS)
def lower_not(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
    """~flags."""
    return builder.not_(arguments[0])


@intrinsic
def where(typing: Any, condition: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
    """In each lane the one or the other."""
    if condition != FLAGS or not numbers(a, b):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        condition, a, b = arguments
        return builder.select(condition, spread(builder, a), spread(builder, b))

    return LANES(condition, a, b), generate


@intrinsic
def same(typing: Any, number: Any) -> Any:  # noqa: ARG001
    """A number in all lanes."""
    if number != types.float64:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return spread(builder, arguments[0])

    return LANES(number), generate


@intrinsic
def any_of(typing: Any, flags: Any) -> Any:  # noqa: ARG001
    """Whether a flag is up."""
    if flags != FLAGS:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        whole = ir.IntType(WIDTH)
        return builder.icmp_unsigned("!=", builder.bitcast(arguments[0], whole), whole(0))

    return types.boolean(flags), generate


def data_of(context: Any, builder: Any, of: Any, array: Any) -> Any:
    """Where an array begins."""
    return context.make_array(of)(context, builder, array).data


def contiguous(array: Any) -> bool:
    """Whether this is the type of a one-dimensional contiguous array of doubles."""
    return isinstance(array, types.Array) and (array.dtype, array.ndim, array.layout) == (types.float64, 1, "C")


@intrinsic
def load(typing: Any, array: Any, first: Any) -> Any:  # noqa: ARG001
    """array[first + lane] in each lane."""
    if not contiguous(array) or not isinstance(first, types.Integer):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(data_of(context, builder, signature.args[0], arguments[0]), [arguments[1]])
        return builder.load(builder.bitcast(place, DOUBLES.as_pointer()), align=BYTES_OF_DOUBLE)

    return LANES(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, first: Any, values: Any) -> Any:  # noqa: ARG001
    """Write each lane to array[first + lane]; a float goes to all."""
    if not contiguous(array) or not isinstance(first, types.Integer) or not numbers(values):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, first, values = arguments
        place = builder.gep(data_of(context, builder, signature.args[0], array), [first])
        builder.store(spread(builder, values), builder.bitcast(place, DOUBLES.as_pointer()), align=BYTES_OF_DOUBLE)
        return context.get_dummy_value()

    return types.none(array, types.intp, values), generate


@intrinsic
def beside(typing: Any, array: Any, starts: Any, further: Any) -> Any:  # noqa: ARG001
    """array[starts[lane] + further] in each lane."""
    if not contiguous(array) or not isinstance(starts, types.Array) or not isinstance(further, types.Integer):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, starts, further = arguments
        shifted = builder.gep(data_of(context, builder, signature.args[0], array), [further])
        begins = data_of(context, builder, signature.args[1], starts)
        value = ir.Constant(DOUBLES, ir.Undefined)
        for lane in range(WIDTH):
            start = builder.load(builder.gep(begins, [INDEX(lane)]))
            value = builder.insert_element(value, builder.load(builder.gep(shifted, [start])), INDEX(lane))
        return value

    return LANES(array, starts, types.intp), generate


@intrinsic
def unit_of(typing: Any, a: Any) -> Any:  # noqa: ARG001
    """A power of two in each lane, about the square root of 1 / a for a > 0."""
    if a != LANES:
        return None
    whole = ir.VectorType(ir.IntType(64), WIDTH)

    def constant(value: int) -> Any:
        return ir.Constant(whole, [value] * WIDTH)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        # The exponent of a double is in its bits 52 to 62, 1023 for the number 1.
        bits = builder.bitcast(arguments[0], whole)
        exponent = builder.sub(builder.and_(builder.lshr(bits, constant(52)), constant(2047)), constant(1023))
        half = builder.ashr(exponent, constant(1))
        return builder.bitcast(builder.shl(builder.sub(constant(1023), half), constant(52)), DOUBLES)

    return LANES(a), generate


def by_llvm(name: str) -> Any:
    """A function of lanes that the compiler has."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        kind = ir.FunctionType(DOUBLES, [DOUBLES])
        return builder.call(get_or_insert_function(builder.module, kind, f"{name}.v{WIDTH}f64"), arguments)

    @intrinsic
    def one(typing: Any, a: Any) -> Any:  # noqa: ARG001
        """Of one argument."""
        return (LANES(LANES), generate) if a == LANES else None

    return one


square_root, size = by_llvm("llvm.sqrt"), by_llvm("llvm.fabs")
