"""`biotl synth`: write synthetic recordings whose every beat and wave is known."""

from pathlib import Path
from typing import Annotated

import typer

from biotl.cli.output import Json, Seed, result


def synth(
    folder: Annotated[Path, typer.Argument(help="Where the recordings go; made if need be.")],
    subjects: Annotated[int, typer.Option(min=1, help="How many subjects, one recording each.")] = 8,
    minutes: Annotated[float, typer.Option(min=0.05, help="Length of each recording.")] = 5.0,
    fs: Annotated[float, typer.Option(min=100, help="Sampling rate in Hz.")] = 360.0,
    noise: Annotated[float, typer.Option(min=0, help="Factor on wander, hum and muscle noise.")] = 1.0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write synthetic two-lead ECG as WFDB records.

    With the whole truth: the class of every beat as .atr, onset, peak and offset of every P, QRS and T as .waves.
    """
    from biotl.errors import ConfigError
    from biotl.records import ecg
    from biotl.records.write import write_wfdb

    there = next((file for i in range(subjects) for file in sorted(folder.glob(f"s{i:03d}.*"))), None)
    if there:
        raise ConfigError(f"{there}: is there already, and nothing is overwritten: name another folder")
    paths = []
    for subject in range(subjects):
        record = ecg(seed, subject, duration_s=60 * minutes, fs=fs, noise=noise)
        paths.append(str(write_wfdb(record, folder)))
    result(paths, as_json=as_json, text="\n".join(paths))
