"""HL7 annotated ECG (aECG, the FDA's XML): the rhythm waveforms."""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records import xml
from biotl.records.record import Record

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def read(path: str | Path) -> Record:
    """Read the first series of rhythm waveforms of an HL7 aECG.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        Signal float32 of shape (leads, samples), origin and scale taken in, in the unit of the file.

    Raises
    ------
    RecordError
        A file that is missing, not well formed, or lacks rate, leads or samples.
    """
    path = Path(path)
    root = xml.parse(path)
    series = [one for one in root.iter("series") if one.find(".//sequenceSet") is not None]
    rhythm = [one for one in series if _code(one) == "RHYTHM"] or series
    if not rhythm:
        raise RecordError(str(path), "series", "none with samples", "a series of rhythm waveforms")
    fs, leads = 0.0, []
    sequences = rhythm[0].find(".//sequenceSet")
    for sequence in [] if sequences is None else sequences.iter("sequence"):
        code, value = _code(sequence), sequence.find("value")
        if value is None:
            continue
        if code.startswith("TIME"):
            increment = value.find("increment")
            about = {} if increment is None else increment.attrib
            step = xml.number(path, "increment", about.get("value")) * _SECONDS.get(about.get("unit", "s"), np.nan)
            if not step > 0:
                raise RecordError(str(path), "increment", str(about)[:80], "a positive time in s, ms or us")
            fs = 1 / step
        elif value.find("digits") is not None:
            leads.append((code.removeprefix("MDC_ECG_LEAD_"), *_samples(path, code, value)))
    if not fs or not leads:
        raise RecordError(str(path), "sequenceSet", f"{fs:g} Hz, {len(leads)} leads", "a rate and a lead")
    names, rows, units = zip(*leads, strict=True)
    signal = xml.rows_of(path, list(rows))
    subject = root.find(".//trialSubject/id")
    name = "" if subject is None else subject.get("extension", "")
    # 1 / 0.002 is 500, and 1 / 0.004 is 250, but for the last bit
    fs = float(round(fs)) if abs(fs - round(fs)) < 1e-6 * fs else fs
    return Record(path.stem, signal, fs, names, units, name or path.stem, source=path)


def _code(element: Element) -> str:
    code = element.find("code")
    return "" if code is None else code.get("code", "")


def _samples(path: Path, code: str, value: Element) -> tuple[NDArray[np.float32], str]:
    scale, origin = value.find("scale"), value.find("origin")
    if scale is None:
        raise RecordError(str(path), f"scale of {code}", "none", "the value of one step, with its unit")
    factor = xml.number(path, f"scale of {code}", scale.get("value"))
    zero = 0.0 if origin is None else xml.number(path, f"origin of {code}", origin.get("value"))
    try:
        digits = np.array(value.findtext("digits", "").split(), np.float64)
    except ValueError as error:
        raise RecordError(str(path), f"digits of {code}", str(error)[:80], "whole numbers") from error
    return (digits * factor + zero).astype(np.float32), scale.get("unit", "")
