"""DICOM waveforms (12-lead ECG, general ECG, haemodynamic and others), through pydicom."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from biotl.errors import RecordError
from biotl.records.foreign import bring, refused
from biotl.records.record import Record


def read(path: str | Path) -> Record:
    """Read the first waveform of a DICOM file: physical values, sensitivity and baseline taken in.

    A resting ECG holds the rhythm first and a median beat after it; the rhythm is what is read.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Record
        Signal float32 of shape (channels, samples), lead names as the code meanings say, without the word ``Lead``.

    Raises
    ------
    RecordError
        A file that is missing or damaged, or holds no waveform.
    MissingExtraError
        If pydicom is not installed.
    """
    path = Path(path)
    pydicom = bring("pydicom", "dicom")
    with (
        refused(path, "a DICOM file with a waveform"),
        warnings.catch_warnings(),
        pydicom.config.disable_value_validation(),
    ):
        warnings.simplefilter("ignore")  # values against the standard are told apart below
        data = pydicom.dcmread(path)
        waveforms = data.get("WaveformSequence") or []
        if not waveforms:
            got = f"{data.get('Modality', 'no modality')} without a waveform"
            raise RecordError(str(path), "WaveformSequence", got, "an ECG or another waveform")
        group = waveforms[0]
        signal = np.ascontiguousarray(data.waveform_array(0).T, np.float32)
        definitions = list(group.ChannelDefinitionSequence)
        fs = float(group.SamplingFrequency)
        names, units = tuple(map(_name, definitions)), tuple(map(_unit, definitions))
        subject = str(data.get("PatientID", "") or path.stem)
    if not 0 < fs < np.inf or len(names) != len(signal):
        raise RecordError(str(path), "SamplingFrequency", f"{fs} Hz of {len(names)} channels", "a positive rate in Hz")
    return Record(path.stem, signal, fs, names, units, subject, source=path)


def _name(channel: Any) -> str:
    source = channel.get("ChannelSourceSequence") or [{}]
    name = str(channel.get("ChannelLabel") or source[0].get("CodeMeaning", "") or "channel")
    return name.removeprefix("Lead ").removesuffix(" (Einthoven)").strip()


def _unit(channel: Any) -> str:
    units = channel.get("ChannelSensitivityUnitsSequence") or [{}]
    return str(units[0].get("CodeValue", ""))
