"""Streaming twins: objects that are fed a signal in parts of any length, with memory for what is still needed only."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biotl import _core
from biotl.errors import SignalError
from biotl.signal._arrays import Floats, as_leads, coerce, mended, rate, real, refuse_overflow, refuse_transposed, whole
from biotl.signal._results import Stream
from biotl.signal.filter import Kind, design
from biotl.signal.resample import ratio
from biotl.signal.windows import windows

# a part may be one sample of many leads: only more leads than any recorder has are taken for samples
PART, REBUILD = 300, "; a part has its samples last"


class FilterStream(Stream):
    """A causal filter over a signal in parts: to the bit ``bandstop(..., causal=True)`` of the whole, and so on.

    Parameters
    ----------
    band : {"bandstop", "bandpass", "highpass", "lowpass", "notch"}
        Which of the functions this is the twin of.
    fs : float
        Sampling rate, Hz.
    low, high, cutoff, freq : float
        Edges, Hz, as the function takes them.
    order, kind, rs, q
        As the function takes them.

    Examples
    --------
    >>> filtered = FilterStream("bandstop", 360, low=50, high=60)
    >>> [filtered.push(np.ones(n)).shape for n in (5, 0, 100)]
    [(5,), (0,), (100,)]
    """

    def __init__(
        self,
        band: Literal["bandstop", "bandpass", "highpass", "lowpass", "notch"],
        fs: float,
        *,
        low: float | None = None,
        high: float | None = None,
        cutoff: float | None = None,
        order: int = 4,
        kind: Kind = "butter",
        rs: float = 20.0,
        freq: float | None = None,
        q: float = 30.0,
    ) -> None:
        needed = {"bandstop": (low, high), "bandpass": (low, high), "notch": (freq,)}.get(band, (cutoff,))
        if band not in ("bandstop", "bandpass", "highpass", "lowpass", "notch"):
            raise SignalError(f"band: got {band!r}, wanted bandstop, bandpass, highpass, lowpass or notch")
        if None in needed:
            names = {1: "freq" if band == "notch" else "cutoff", 2: "low and high"}[len(needed)]
            raise SignalError(f"{names}: got None, wanted Hz for a {band}")
        if freq is not None and band == "notch":
            self._sos = _core.design_notch(freq, q, rate(fs))
        else:
            edges = {"highpass": (cutoff, None), "lowpass": (None, cutoff)}.get(band, (low, high))
            stop = band == "bandstop"
            self._sos = design(order, fs, low=edges[0], high=edges[1], stop=stop, kind=kind, rs=rs)
        self._leads = _Leads()

    def push(self, x: ArrayLike) -> Floats:
        """Filter the next part, shape (..., samples); every part has the same leads.

        Raises
        ------
        SignalError
            If a sample is not finite (a gap cannot be bridged before it ends) or the leads change; the stream then
            stays as it was. If the result overflows; begin again with `reset`.
        """
        return self._leads.push(x, lambda: _core.SosStream(self._sos))

    def reset(self) -> None:
        """Begin again at rest."""
        self._leads = _Leads()


class ResampleStream(Stream):
    """`resample` over a signal in parts; to the bit that of the whole for float64, to its rounding for float32.

    Beyond its ends the first and the last sample are held, as by default there.

    Parameters
    ----------
    fs, fs_new : float
        Rates, Hz.

    Examples
    --------
    >>> from biotl.signal import resample
    >>> resampled = ResampleStream(360, 125)
    >>> parts = [resampled.push(np.ones(360)), resampled.push(np.ones(360)), resampled.finish()]
    >>> np.array_equal(np.concatenate(parts), resample(np.ones(720), 360, 125))
    True
    """

    def __init__(self, fs: float, fs_new: float) -> None:
        self._ratio = ratio(fs, fs_new)
        self._leads = _Leads(np.float64)

    def push(self, x: ArrayLike) -> Floats:
        """Take the next part, shape (..., samples); return what no later part can change.

        Raises
        ------
        SignalError
            If a sample is not finite or the leads change; the stream then stays as it was. If the result overflows.
        """
        return self._leads.push(x, lambda: _core.ResampleStream(*self._ratio))

    def finish(self) -> Floats:
        """End the signal and return the remaining samples, the last one held beyond its end."""
        return self._leads.each(lambda stream, _: stream.finish())


class WindowStream(Stream):
    """`windows` over a signal in parts.

    Parameters
    ----------
    size, hop : int
        Samples of a window, and from one window to the next.
    normalize, eps
        As in `windows`.
    nan_policy : {"raise", "mask"}
        As in `windows`; a gap cannot be bridged before it ends.

    Examples
    --------
    >>> sliding = WindowStream(4, 2)
    >>> [sliding.push(np.ones((1, n))).shape for n in (3, 3, 2)]
    [(0, 1, 4), (2, 1, 4), (1, 1, 4)]
    """

    def __init__(
        self,
        size: int,
        hop: int,
        *,
        normalize: Literal["zscore"] | None = None,
        eps: float = 0.0,
        nan_policy: Literal["raise", "mask"] = "raise",
    ) -> None:
        if nan_policy not in ("raise", "mask"):
            raise SignalError(f"nan_policy: got {nan_policy!r}, wanted raise or mask in a stream")
        self._size = whole(size, "size", "at least 1 sample", least=1)
        self._hop = whole(hop, "hop", "at least 1 sample", least=1)
        self._how: Any = {"normalize": normalize, "eps": eps, "nan_policy": nan_policy}
        self._past: NDArray[Any] | None = None
        self._skip = 0

    def push(self, x: ArrayLike) -> NDArray[Any]:
        """Take the next part, shape (..., samples); return the windows that it completes, (windows, ..., size).

        Raises
        ------
        SignalError
            As `windows`, if the leads change, or under "raise" if a sample is not finite; the stream then stays as it
            was.
        """
        past = part = real(x)
        refuse_transposed(part, least=PART, hint=REBUILD)
        if self._how["nan_policy"] == "raise" and part.dtype.kind == "f":
            mended(as_leads(part), "raise")
        if self._past is not None:
            if part.shape[:-1] != self._past.shape[:-1]:
                got, wanted = part.shape[:-1], self._past.shape[:-1]
                raise SignalError(f"x: got leads of shape {got}, wanted {wanted} as in the first part")
            past = np.concatenate([self._past, part], axis=-1)
        # a hop longer than a window leaves samples out
        drop = min(self._skip, past.shape[-1])
        past = past[..., drop:]
        out = windows(past, self._size, self._hop, **self._how)
        used = len(out) * self._hop
        self._skip += max(used - past.shape[-1], 0) - drop
        self._past = past[..., used:].copy()
        return out


class _Leads:
    """One compiled stream a lead, made when the first part shows how many there are."""

    def __init__(self, dtype: type[np.floating[Any]] | None = None) -> None:
        self._dtype = dtype
        self._streams: list[Any] = []
        self._shape: tuple[int, ...] | None = None
        self._kept: Any = np.float64

    def push(self, x: ArrayLike, make: Any) -> Floats:
        array = coerce(x)
        refuse_transposed(array, least=PART, hint=REBUILD)
        if self._shape not in (None, array.shape[:-1]):
            raise SignalError(f"x: got leads of shape {array.shape[:-1]}, wanted {self._shape} as in the first part")
        leads, _ = mended(as_leads(array), "raise")
        if self._shape is None:
            self._shape = array.shape[:-1]
            self._streams = [make() for _ in leads]
        self._kept = array.dtype
        leads = leads if self._dtype is None else leads.astype(self._dtype, copy=False)
        return self.each(lambda stream, k: stream.push(leads[k]))

    def each(self, step: Any) -> Floats:
        if self._shape is None:
            return np.empty(0)
        parts = [step(stream, k) for k, stream in enumerate(self._streams)]
        with np.errstate(over="ignore"):
            out = np.array(parts, dtype=self._kept) if parts else np.empty((0, 0), dtype=self._kept)
        refuse_overflow(out)
        return out.reshape(*self._shape, out.shape[-1])
