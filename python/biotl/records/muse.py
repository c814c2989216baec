"""GE MUSE resting ECG as XML: eight leads stored, four computed from them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from biotl.errors import RecordError
from biotl.records import xml
from biotl.records.leads import twelve
from biotl.records.record import Record

_UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV", "VOLTS": "V"}


def read(path: str | Path) -> Record:
    """Read the rhythm waveform of a MUSE XML.

    The system stores I, II and V1 to V6; III, aVR, aVL and aVF follow from I and II (Einthoven, Goldberger) and are
    added where both are there.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        Signal float32 of shape (leads, samples), in the unit of the file (``uV``).

    Raises
    ------
    RecordError
        A file that is missing, not well formed, or lacks rate, leads or samples.
    """
    path = Path(path)
    root = xml.parse(path)
    waveforms = {wave.findtext("WaveformType", "").strip().lower(): wave for wave in reversed(root.findall("Waveform"))}
    wave = waveforms.get("rhythm")
    if wave is None:
        got = ", ".join(waveforms)[:80] or "none"
        raise RecordError(str(path), "Waveform", got, "a rhythm waveform")
    base = xml.number(path, "SampleBase", wave.findtext("SampleBase"))
    exponent = xml.number(path, "SampleExponent", wave.findtext("SampleExponent", "0"))
    if not (0 < base < 1e6 and abs(exponent) < 10):
        raise RecordError(str(path), "SampleBase", f"{base:g} x 10^{exponent:g}", "a positive rate in Hz")
    rows: dict[str, NDArray[np.float32]] = {}
    units = set()
    for lead in wave.findall("LeadData"):
        name = lead.findtext("LeadID", "").strip()
        raw = xml.base64_bytes(path, f"WaveFormData of {name}", lead.findtext("WaveFormData"))
        if (size := lead.findtext("LeadSampleSize", "2").strip()) != "2" or len(raw) % 2:
            raise RecordError(str(path), f"LeadSampleSize of {name}", f"{size}, {len(raw)} bytes", "samples of 2 bytes")
        scale = xml.number(path, f"LeadAmplitudeUnitsPerBit of {name}", lead.findtext("LeadAmplitudeUnitsPerBit"))
        rows[name] = (np.frombuffer(raw, "<i2") * scale).astype(np.float32)
        units.add(lead.findtext("LeadAmplitudeUnits", "").strip().upper())
    if not rows or len(units) != 1:
        raise RecordError(str(path), "LeadData", f"{len(rows)} leads in {len(units)} units", "leads of one unit")
    xml.rows_of(path, list(rows.values()))
    rows = twelve(rows)
    names = tuple(rows)
    signal = np.stack([rows[name] for name in names])
    unit = _UNITS.get(min(units), min(units))
    subject = root.findtext("PatientDemographics/PatientID", "").strip() or path.stem
    return Record(path.stem, signal, base * 10**exponent, names, (unit,) * len(names), subject, source=path)
