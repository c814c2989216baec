"""The one place where arrays take their form and where missing samples are dealt with."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any, Literal, SupportsIndex, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError

NanPolicy = Literal["raise", "mask", "interpolate"]
Floats = NDArray[np.floating[Any]]
Scored = tuple[NDArray[np.int64], NDArray[np.float32]]
# a record of 32 leads or fewer and 64 samples or more, eight times as many: beyond that either reading may be meant
TRANSPOSED = (32, 64, 8)


def coerce(x: ArrayLike, *, integers: bool = False, name: str = "x") -> NDArray[Any]:
    """Return `x` as a contiguous array in native byte order: float32 as float32, every other real number as float64.

    With `integers`, whole numbers stay whole: int16, int32 or int64, the first that holds their type. Nothing is copied
    where nothing has to change. What a masked array masks becomes NaN.

    Raises
    ------
    SignalError
        If `x` does not hold real numbers or is a scalar; it says `name`.
    """
    array = real(x, name)
    if integers and array.dtype.kind in "iu":
        for whole in (np.int16, np.int32, np.int64):
            if np.can_cast(array.dtype, whole):
                return np.ascontiguousarray(array, dtype=whole)
    small = array.dtype.kind == "f" and array.dtype.itemsize <= np.dtype(np.float32).itemsize
    return np.ascontiguousarray(array, dtype=np.float32 if small else np.float64)


def real(x: ArrayLike, name: str = "x") -> NDArray[Any]:
    """Return `x` as an array of real numbers with one axis at least, of whatever type, order and strides.

    Raises
    ------
    SignalError
        If it is none; it says `name`.
    """
    try:
        array = np.asarray(x)
    except ValueError as error:  # rows of different lengths
        raise SignalError(f"{name}: got {error}, wanted an array of real numbers") from error
    if array.dtype.kind not in "fiu":
        raise SignalError(f"{name}: got dtype {array.dtype}, wanted real numbers")
    if array.ndim == 0:
        raise SignalError(f"{name}: got a scalar, wanted shape (..., samples)")
    return np.where(x.mask, np.nan, array) if isinstance(x, np.ma.MaskedArray) else array


def signal(x: ArrayLike, *, axis: int | None, integers: bool = False, name: str = "x") -> NDArray[Any]:
    """Return `x` as `coerce` does, its samples along the last axis.

    Raises
    ------
    SignalError
        As `coerce`; if `x` has no such axis; or, where none is given, if it is clearly (samples, leads).
    """
    return coerce(along(real(x, name), axis, name), integers=integers, name=name)


def along(array: NDArray[Any], axis: int | None, name: str = "x") -> NDArray[Any]:
    """Return a view of `array` with its samples last; none given, they are, unless it is clearly transposed.

    Raises
    ------
    SignalError
        As `signal`.
    """
    if axis is None:
        refuse_transposed(array, name)
        return array
    if not -array.ndim <= axis < array.ndim:
        raise SignalError(f"axis: got {axis}, wanted one of the {array.ndim} of {name}")
    return np.moveaxis(array, axis, -1)


def refuse_transposed(array: NDArray[Any], name: str = "x", *, least: int = TRANSPOSED[1], hint: str = "") -> None:
    """Raise SignalError if `array` is clearly (samples, leads), as wfdb and data frames give it.

    Of a part of a stream, which may be one sample of many leads, more samples are needed to be sure: `least`.
    """
    leads, _, times = TRANSPOSED
    shape = array.shape
    if len(shape) > 1 and 0 < shape[-1] <= leads and shape[-2] >= max(least, times * shape[-1]):
        transpose = f"{name}.T" if len(shape) == 2 else f"np.swapaxes({name}, -1, -2)"
        hint = hint or "; if its last axis is that of samples, say axis=-1"
        raise SignalError(f"{name}: got shape {shape}, which is (samples, leads): pass {transpose}{hint}")


def one_channel(x: ArrayLike, what: str = "channel") -> NDArray[Any]:
    """Return a single channel as `coerce` does.

    Raises
    ------
    SignalError
        If `x` has more than one axis; it says which column or row to pass.
    """
    array = coerce(x)
    if array.ndim != 1:
        by_row = array.ndim == 2 and array.shape[0] < array.shape[1]
        hint = f"; pass one of them, x{'[0]' if by_row else '[:, 0]'}" if array.ndim == 2 else ""
        raise SignalError(f"x: got shape {array.shape}, wanted one {what} of shape (samples,){hint}")
    return array


def rate(fs: object, name: str = "fs") -> float:
    """Return a rate in Hz from a number, or from what holds one: an array of one value, as loadmat gives, or a text.

    Raises
    ------
    SignalError
        If it is not one number; it says `name`. Which rates are taken is for the kernel to say.
    """
    if isinstance(fs, (str, bytes)):
        try:
            return float(fs)
        except ValueError:
            pass
    else:
        try:
            array = np.asarray(fs)
        except ValueError:  # rows of different lengths
            array = np.empty(0)
        if array.size == 1 and array.dtype.kind in "iuf":
            return float(array.reshape(-1)[0])
    raise SignalError(f"{name}: got {repr(fs)[:60]}, wanted one number, the rate in Hz")


def indices(values: ArrayLike, name: str) -> NDArray[np.int64]:
    """Return sample indices as contiguous int64, shape (n,); an empty list is one of them.

    Raises
    ------
    SignalError
        If they are not integers, have another number of axes, or are past 64 bits.
    """
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size > 0):
        raise SignalError(f"{name}: got dtype {array.dtype} and shape {array.shape}, wanted integers of shape (n,)")
    if array.dtype.kind == "u" and array.size > 0 and array.max() > np.iinfo(np.int64).max:
        raise SignalError(f"{name}: got {array.max()}, wanted sample indices")
    return np.ascontiguousarray(array, dtype=np.int64)


def whole(value: SupportsIndex, name: str, wanted: str, *, least: int = 0) -> int:
    """Return a count that is at least `least` and below 2^63, or raise SignalError."""
    try:
        number = operator.index(value)
    except TypeError:
        raise SignalError(f"{name}: got {value!r}, wanted {wanted}, in whole numbers") from None
    if not least <= number < 1 << 63:
        raise SignalError(f"{name}: got {number}, wanted {wanted}")
    return number


def as_leads(x: NDArray[Any]) -> NDArray[Any]:
    """Return `x` (..., samples) as (leads, samples), a view."""
    return x.reshape(prod(x.shape[:-1]), x.shape[-1])


def over_leads(
    x: ArrayLike,
    kernel: Callable[[Any, Any], None],
    *,
    axis: int | None,
    nan_policy: NanPolicy,
    span: Callable[[int], tuple[NDArray[np.int64], NDArray[np.int64]]],
    samples: Callable[[int], int] = int,
    integers: Literal["float64", "fast", "keep"] = "float64",
    recursive: bool = False,
) -> NDArray[Any]:
    """Run `kernel` over the leads of `x` under a NaN policy.

    Parameters
    ----------
    x : array_like, shape (..., samples)
        The signal.
    kernel : callable
        Takes contiguous (leads, samples) and fills (leads, samples out); refuses what is not finite by itself.
    axis : int or None
        The axis of samples; None for the last, and a refusal of what is clearly (samples, leads).
    nan_policy : {"raise", "mask", "interpolate"}
        What happens to samples that are NaN or infinite: "raise" refuses them; "interpolate" replaces them by a
        straight line between their neighbours (the nearest sample at the ends); "mask" does the same and then puts NaN
        wherever they have a part in the result.
    span : callable
        From the number of samples to half-open ranges ``start``, ``stop`` of the input samples behind each output
        sample.
    samples : callable
        From the number of samples to that of samples out.
    integers : {"float64", "fast", "keep"}
        Whole numbers become float64 before the kernel; in the kernel; or stay what they are.
    recursive : bool
        The kernel ends on a float64 state that stays infinite once a value was, and refuses it: only a result in
        float32 can overflow unseen.

    Returns
    -------
    ndarray, shape (..., samples out)
        Samples along `axis`. A lead without a single finite sample is NaN under "mask" and "interpolate".

    Raises
    ------
    SignalError
        If the policy is unknown, the form of `x` is refused, the kernel refuses a value, or the result overflows.
    """
    array = signal(x, axis=axis, integers=integers != "float64")
    leads = as_leads(array)
    check_policy(nan_policy)
    whole = array.dtype.kind == "i"
    dtype = np.float64 if whole and integers == "fast" else array.dtype
    out = _core.empty((len(leads), samples(leads.shape[1])), np.dtype(dtype))
    bad = None if whole or nan_policy == "raise" else ~np.isfinite(leads)
    if bad is None or not bad.any():
        kernel(leads, out)
        if not recursive or out.dtype == np.float32:
            refuse_overflow(out)
    else:
        kernel(bridge(leads, bad), out)
        refuse_overflow(out)
        if nan_policy == "mask":
            out[covered(bad, *span(leads.shape[1]))] = np.nan
        out[bad.all(axis=1)] = np.nan
    out = out.reshape(*array.shape[:-1], out.shape[-1])
    return out if axis is None else np.moveaxis(out, -1, axis)


def check_policy(nan_policy: str) -> None:
    """Raise SignalError unless `nan_policy` is one of the three."""
    if nan_policy not in get_args(NanPolicy):
        raise SignalError(f"nan_policy: got {nan_policy!r}, wanted one of {', '.join(get_args(NanPolicy))}")


def refuse_overflow(out: NDArray[Any]) -> None:
    """Raise SignalError if a finite signal gave values that are not; integers cannot."""
    if not clear(out):
        raise SignalError(f"x: got samples whose result overflows {out.dtype}, wanted smaller samples")


def clear(x: NDArray[Any]) -> bool:
    """Return whether all values are finite."""
    if x.dtype.kind != "f":
        return True
    with np.errstate(all="ignore"):
        # the sum of squares costs half as much as a look at each value, and clears all but huge ones
        return bool(np.isfinite(np.vdot(x, x)) or np.isfinite(x).all())


def mended(leads: Floats, nan_policy: NanPolicy, name: str = "x") -> tuple[Floats, NDArray[np.bool_] | None]:
    """Return `leads` bridged, and where they were bad: None where nowhere; under "raise", for kernels that do not look.

    Raises
    ------
    SignalError
        If a sample is not finite under "raise", or the policy is unknown.
    """
    check_policy(nan_policy)
    if clear(leads):
        return leads, None
    bad: NDArray[np.bool_] = ~np.isfinite(leads)
    if nan_policy == "raise":
        lead, index = np.argwhere(bad)[0]
        raise not_finite(leads[lead, index], index, name)
    return bridge(leads, bad), bad


def not_finite(value: float, index: int, name: str = "x") -> SignalError:
    """Return the error that the kernels raise too, in their words."""
    got = "NaN" if np.isnan(value) else value
    return SignalError(f'{name}: sample {index} is {got}, wanted finite values; try nan_policy="interpolate" or "mask"')


def bridge(leads: Floats, bad: NDArray[np.bool_]) -> Floats:
    """Return a copy with straight lines over the bad samples; a lead that is bad throughout becomes zero."""
    out = leads.copy()
    for i in np.flatnonzero(bad.any(axis=1)):
        lead, missing = out[i], bad[i]
        if missing.all():
            lead[:] = 0
        else:
            lead[missing] = np.interp(np.flatnonzero(missing), np.flatnonzero(~missing), lead[~missing])
    return out


def covered(bad: NDArray[np.bool_], start: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (leads, len(start)): does ``bad[:, start:stop]`` hold a bad sample? Ranges may reach over the ends."""
    before = np.concatenate([np.zeros((len(bad), 1), np.int64), np.cumsum(bad, axis=1, dtype=np.int64)], axis=1)
    n = bad.shape[1]
    return before[:, np.clip(stop, 0, n)] > before[:, np.clip(start, 0, n)]


def around(before: int, after: int) -> Callable[[int], tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the span of a window of `before` samples, the sample itself, and `after` samples."""

    def span(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        i = np.arange(n)
        return i - before, i + after + 1

    return span


def joined(parts: list[Scored]) -> Scored:
    """Return events and their scores, found part by part, on end."""
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    return np.concatenate([events for events, _ in parts]), np.concatenate([scores for _, scores in parts])
