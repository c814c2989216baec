"""Reference beats and their match with detected ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biotl.datasets.adapters import mitdb as list_mitdb
from biotl.datasets.beats import AAMI, AAMI_CLASSES, BEATS, label_beats, match, reference_beats
from biotl.datasets.labels import BeatClass
from biotl.datasets.sentences import SentencePreprocessor
from biotl.datasets.spec_kinds import SentenceSpec
from biotl.records import Annotations, read


def marks(pairs):
    sample, symbol = zip(*pairs, strict=True)
    zeros = np.zeros(len(pairs), np.int8)
    return Annotations(np.array(sample), np.array(symbol), ("",) * len(pairs), zeros, zeros, zeros)


def records(mitdb):
    return sorted(path.stem for path in mitdb.glob("*.dat"))


def test_the_classes_of_all_48_records_add_up(mitdb):
    annotations = [read(mitdb / name).annotations["atr"] for name in records(mitdb)]
    totals = sum(np.bincount(reference_beats(a).label, minlength=5) for a in annotations)
    assert sum(map(len, annotations)) == 112_647
    assert totals.tolist() == [90_631, 2_781, 7_236, 803, 8_043]
    assert totals.sum() == 109_494


def test_marks_of_rhythm_noise_and_flutter_are_no_beats():
    beats = reference_beats(marks([(5, "+"), (10, "N"), (20, "~"), (30, "!"), (40, "|"), (50, "/"), (60, '"')]))
    assert beats.sample.tolist() == [10, 50]
    assert beats.label.tolist() == [AAMI.index("N"), AAMI.index("Q")]


def test_flutter_is_not_scored_to_its_end_or_to_the_end_of_the_recording():
    reference = reference_beats(marks([(10, "N"), (100, "["), (200, "]"), (300, "N"), (400, "[")]))
    labels = label_beats(reference, np.array([10, 150, 250, 300, 9000]), 360.0, tolerance_s=0.01)
    assert labels.label.tolist() == [0, -2, -1, 0, -2]


@pytest.mark.parametrize(("symbol", "name"), [("n", "N"), ("r", "V"), ("B", "N"), ("?", "Q"), ("e", "N"), ("E", "V")])
def test_every_beat_symbol_of_wfdb_is_a_beat_of_its_aami_class(symbol, name):
    """Fault 8: n, r, B and ? counted as no beat, and the beats that were found there as false."""
    labels = label_beats(reference_beats(marks([(100, "N"), (400, symbol)])), np.array([100, 400]), 360.0)
    assert labels.label.tolist() == [0, AAMI.index(name)]
    assert set(AAMI_CLASSES) == BEATS


def test_classes_may_be_the_users_own_and_a_beat_of_none_is_there_and_not_scored():
    own = {"N": "normal", "V": "ventricular", "r": "ventricular", "A": "atrial"}
    reference = reference_beats(marks([(100, "A"), (400, "L"), (700, "r"), (900, "x"), (1200, "L"), (1500, "V")]), own)
    labels = label_beats(reference, np.array([100, 400, 700, 900]), 360.0)
    assert labels.label.tolist() == [2, -2, 1, -1]
    assert labels.missed.tolist() == [1]
    # a blocked APC (x) is no beat to WFDB; a map may say that it is
    assert reference_beats(marks([(900, "x")]), {"x": "blocked"}).label.tolist() == [0]


@given(st.lists(st.integers(0, 400), unique=True), st.lists(st.integers(0, 400), unique=True), st.integers(0, 30))
def test_a_match_is_one_to_one_and_within_tolerance(reference, detected, tolerance):
    reference, detected = np.array(sorted(reference), np.int64), np.array(sorted(detected), np.int64)
    found = match(reference, detected, tolerance)
    met = found[found >= 0]
    assert len(set(met.tolist())) == len(met)
    assert np.all(np.abs(reference[met] - detected[found >= 0]) <= tolerance)
    # what is left unmatched on both sides is apart: no pair was given away
    left = np.delete(reference, met)
    assert all(abs(r - d) > tolerance for r in left for d in detected[found < 0])


def test_the_closer_of_two_detections_is_the_beat():
    assert match(np.array([100]), np.array([90, 103]), 54).tolist() == [-1, 0]


@pytest.mark.parametrize("shift", [-20, 0, 20])
def test_labels_follow_the_beats_whichever_side_the_detector_errs_on(shift):
    reference = reference_beats(marks([(1000, "N"), (1300, "V"), (1700, "A")]))
    assert label_beats(reference, np.array([1000, 1300, 1700]) + shift, 360.0).label.tolist() == [0, 2, 1]


def test_no_segment_of_any_of_the_48_records_carries_the_label_of_another_beat(mitdb):
    """The public code gives a segment the class at its first sample, which for P and QRS is the beat before."""
    target = BeatClass()
    wrong = segments = 0
    for entry in list_mitdb(mitdb):
        records = entry.read(target.annotators)
        lead = SentenceSpec().channels[0].model_copy(update={"aliases": records[0].channels})
        preprocessor = SentencePreprocessor(SentenceSpec(channels=(lead,)))
        prepared = preprocessor.prepare(records)
        label = target.of(entry, records, prepared, preprocessor.units(prepared))["labels"]
        reference, s = reference_beats(records[0].annotations["atr"]), prepared.arrays
        # the truth, found without any of the code under test: the reference beat nearest to the segment's own R peak
        own = s["beat"] >= 0
        peaks = s["rpeaks"][s["beat"][own]]
        after = np.clip(np.searchsorted(reference.sample, peaks), 1, len(reference.sample) - 1)
        before_is_nearer = peaks - reference.sample[after - 1] <= reference.sample[after] - peaks
        nearest = after - before_is_nearer
        carried = label[s["beat"][own]]
        scored = carried >= 0
        wrong += int(np.sum(carried[scored] != reference.label[nearest][scored]))
        segments += int(scored.sum())
        # and the segment lies around that peak, not around a neighbour's
        assert np.all(s["start"][own] <= peaks + 72)
        assert np.all(s["stop"][own] > peaks - 54)
    assert wrong == 0
    assert segments > 320_000
