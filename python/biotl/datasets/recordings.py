"""Recordings prepared for learning: a sentence, what the reference says of its beats, and who was recorded."""

import glob
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import biotl
from biotl.datasets.beats import BeatLabels, label_beats, reference_beats
from biotl.datasets.sentences import Sentence, prepare
from biotl.datasets.shards import open_shard, write_shard
from biotl.datasets.spec import SignalSpec
from biotl.datasets.vocabulary import Vocabulary, fit_vocabulary
from biotl.errors import BiotlError, ConfigError, RecordError, SignalError
from biotl.parallel import in_threads
from biotl.records import Record, read


@dataclass(frozen=True)
class Recording:
    """A prepared recording.

    Parameters
    ----------
    name, subject : str
        Of the record.
    sentence : Sentence
        Its segments in order of time.
    beats : BeatLabels
        AAMI class of each detected beat, and the beats that were missed.
    """

    name: str
    subject: str
    sentence: Sentence
    beats: BeatLabels

    def with_tokens(self, vocabulary: Vocabulary) -> "Recording":
        """Return the recording with its segments named by a vocabulary."""
        tokens = vocabulary.tokens(self.sentence.wave, self.sentence.patches[:, 0])
        return replace(self, sentence=replace(self.sentence, tokens=tokens))


def prepare_recording(record: Record, spec: SignalSpec, *, subject: str | None = None) -> Recording:
    """Prepare a raw recording whose beats were annotated.

    Parameters
    ----------
    record : Record
        With annotations ``atr``.
    spec : SignalSpec
        The preprocessing.
    subject : str, optional
        Instead of the record's own, where it is known that two records are one person.

    Raises
    ------
    RecordError
        If there are no reference beats, or no lead that fits.
    SignalError
        If the signal is too short or not finite.
    """
    if "atr" not in record.annotations:
        where = str(record.source or record.name)
        raise RecordError(where, "annotations", "none", "atr", "lay the .atr file beside the header")
    sentence = prepare(record, spec)
    detected = np.rint(sentence.rpeaks * (record.fs / spec.fs)).astype(np.int64)
    beats = label_beats(reference_beats(record.annotations["atr"]), detected, record.fs)
    return Recording(record.name, subject or record.subject, sentence, beats)


def origin(path: Path) -> str:
    """Return a sha256 of biotl's version and of the files named after a recording: what its shard was made of."""
    total = hashlib.sha256(biotl.__version__.encode())
    for file in sorted({*path.parent.glob(glob.escape(path.name) + ".*"), path}):
        if file.is_file():
            total.update(f"\0{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def save_recording(recording: Recording, folder: Path | str, spec: SignalSpec, *, source: str = "") -> None:
    """Write a recording as a shard; ``source`` is what `origin` says of its files."""
    arrays = {**vars(recording.sentence), "label": recording.beats.label, "missed": recording.beats.missed}
    meta = {"record": recording.name, "origin": source}
    write_shard(folder, arrays, spec=spec, subjects=(recording.subject,), meta=meta)


def load_recording(folder: Path | str, spec: SignalSpec, *, source: str = "") -> Recording:
    """Open what `save_recording` wrote, memory-mapped; refused as in `open_shard`, or where its files have changed."""
    shard = open_shard(folder, spec=spec)
    if (got := shard.meta.get("origin")) != source:
        raise RecordError(str(folder), "origin", f"{got}", source, "prepare the recording again")
    arrays = dict(shard.arrays)
    beats = BeatLabels(arrays.pop("label"), arrays.pop("missed"))
    return Recording(shard.meta["record"], shard.subjects[0], Sentence(**arrays), beats)


def prepare_files(
    paths: Sequence[Path],
    spec: SignalSpec,
    folder: Path | None = None,
    *,
    subject: Callable[[str], str] = str,
    threads: int | None = None,
    done: Callable[[], object] = lambda: None,
) -> tuple[list[Recording], list[BiotlError]]:
    """Read and prepare recordings, several at a time; those that are refused are listed and the others go on.

    Parameters
    ----------
    paths : sequence of Path
        What `biotl.records.read` takes.
    spec : SignalSpec
        The preprocessing.
    folder : Path, optional
        Where shards are kept; one that lies there whole, of the same files and spec, is opened instead of
        made.
    subject : callable
        Subject of a record name.
    threads : int, optional
        How many at a time; the result does not depend on it.
    done : callable
        Called after each recording, to show progress.

    Returns
    -------
    recordings : list of Recording
        In the order of ``paths``.
    refused : list of BiotlError
        One for each path without a recording.
    """

    def one(path: Path) -> Recording | BiotlError:
        try:
            place = folder / path.name if folder else None
            source = origin(path) if place else ""
            if place and (place / "manifest.json").is_file():
                try:
                    return load_recording(place, spec, source=source)
                except (ConfigError, RecordError):
                    pass  # of another spec, of other files, or damaged: made anew from the recording below
            recording = prepare_recording(read(path), spec, subject=subject(path.name))
            if place:
                save_recording(recording, place, spec, source=source)
            return recording
        except SignalError as error:  # it knows the array, and not the file
            return SignalError(f"{path}: {error}")
        except BiotlError as error:
            return error
        finally:
            done()

    results = list(in_threads(one, paths, threads))
    recordings = [result for result in results if isinstance(result, Recording)]
    return recordings, [result for result in results if isinstance(result, BiotlError)]


def learn_vocabulary(recordings: Sequence[Recording], spec: SignalSpec, *, seed: int) -> tuple[Vocabulary, SignalSpec]:
    """Fit the vocabulary on training recordings; return it, and the spec that names it."""
    vocabulary = fit_vocabulary(
        [recording.sentence.wave for recording in recordings],
        [recording.sentence.patches[:, 0] for recording in recordings],
        spec_digest=spec.digest(),
        records=[recording.name for recording in recordings],
        seed=seed,
    )
    return vocabulary, spec.model_copy(update={"vocabulary": vocabulary.digest()})
