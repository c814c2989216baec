"""Sentences: what a token carries, where it lies, how windows cut them, and what is hidden when they are drawn."""

import dataclasses

import numpy as np
import pytest

from biotl.datasets.beat_features import beat_features as within_recording
from biotl.datasets.beat_measures import measure_beats
from biotl.datasets.features import BEAT_FEATURES, FEATURES, beat_features
from biotl.datasets.levels import levels, steps
from biotl.datasets.sentences import SentencePreprocessor
from biotl.datasets.spec_kinds import SentenceSpec
from biotl.datasets.transforms import IGNORED, HideTokens, MaskedTokens
from biotl.datasets.vocabulary import CLS, MASK, PAD, SEP, UNKNOWN
from biotl.errors import ConfigError, RecordError
from biotl.records import ecg
from biotl.signal import resample

SPEC = SentenceSpec(window_beats=16, context_beats=4)
PREPROCESSOR = SentencePreprocessor(SPEC)


@pytest.fixture(scope="module")
def record():
    return ecg(1, 0, duration_s=90.0)


@pytest.fixture(scope="module")
def sentence(record):
    return PREPROCESSOR.prepare([record])


@pytest.fixture(scope="module")
def samples(sentence):
    """Windows whose tokens are told apart."""
    tokens = np.arange(len(sentence.arrays["wave"])) % UNKNOWN
    named = dataclasses.replace(sentence, arrays={**sentence.arrays, "tokens": tokens})
    return [PREPROCESSOR.inputs(named, cut) for cut in PREPROCESSOR.cuts(named)]


def copied(sample):
    return {name: array.copy() for name, array in sample.items()}


def test_segments_tile_the_recording(record, sentence):
    of = sentence.arrays
    assert of["start"][0] == 0
    np.testing.assert_array_equal(of["start"][1:], of["stop"][:-1])
    assert of["stop"][-1] == pytest.approx(record.signal.shape[1] * SPEC.fs / record.fs, abs=1)
    at = np.searchsorted(of["start"], of["rpeaks"], side="right") - 1
    np.testing.assert_array_equal(of["beat"][at], np.arange(len(of["rpeaks"])))
    assert set(of["wave"][at]) == {1}


def test_every_beat_has_one_qrs(sentence):
    of = sentence.arrays
    np.testing.assert_array_equal(of["beat"][of["wave"] == 1], np.arange(len(of["rpeaks"])))


def test_the_gain_of_the_electrode_changes_nothing(record, sentence):
    louder = PREPROCESSOR.prepare([dataclasses.replace(record, signal=record.signal * np.float32(4))])
    np.testing.assert_array_equal(louder.arrays["rpeaks"], sentence.arrays["rpeaks"])
    np.testing.assert_allclose(louder.arrays["patches"], sentence.arrays["patches"], atol=1e-4)
    np.testing.assert_allclose(louder.arrays["features"], sentence.arrays["features"], atol=1e-3)


@pytest.mark.parametrize(("unit", "factor"), [("V", 1e-3), ("uV", 1e3), ("µV", 1e3)])
def test_units_are_converted(record, sentence, unit, factor):
    other = dataclasses.replace(record, signal=record.signal * np.float32(factor), units=(unit,) * len(record.units))
    np.testing.assert_allclose(PREPROCESSOR.prepare([other]).arrays["patches"], sentence.arrays["patches"], atol=1e-3)


def test_an_unknown_unit_and_an_unknown_lead_are_refused_by_name(record):
    odd = dataclasses.replace(record, channels=("II", "V1"), units=("bananas", "mV"))
    with pytest.raises(RecordError, match="unit of II: got bananas, wanted one that is mV"):
        PREPROCESSOR.prepare([odd])
    with pytest.raises(RecordError, match="channels: got PPG, X, wanted one of ECG, MLII"):
        PREPROCESSOR.prepare([dataclasses.replace(record, channels=("PPG", "X"))])


def test_spans_are_at_the_rate_of_the_record(record):
    slow = ecg(1, 0, duration_s=30.0, fs=250.0)
    prepared = PREPROCESSOR.prepare([slow])
    units = PREPROCESSOR.units(prepared)
    np.testing.assert_array_equal(units[:, 0], np.rint(prepared.arrays["rpeaks"] * (250 / 360)))
    assert (prepared.fs, prepared.samples) == (250, 7500)
    start, stop = PREPROCESSOR.reads(prepared, PREPROCESSOR.cuts(prepared)[0])
    assert start == 0
    assert units[0, 0] < stop <= prepared.samples


def test_a_premature_beat_shows_in_its_timing():
    rr = np.full(40, 300)
    rr[20], rr[21] = 200, 400
    peaks = np.cumsum(rr)
    n = len(peaks)
    found = beat_features(peaks, 360.0, np.ones(n, np.int8), np.arange(n), np.ones((n, 8), np.float32))
    before, after = BEAT_FEATURES.index("rr_before_to_local"), BEAT_FEATURES.index("rr_after_to_local")
    assert found[20, before] == pytest.approx(np.log2(200 / 300))
    assert found[20, after] == pytest.approx(np.log2(400 / 300))
    assert np.all(found[:20, before] == 0)


def test_features_and_patches_are_finite_even_for_few_beats(record):
    for stop in (300, 700):
        few = PREPROCESSOR.prepare([dataclasses.replace(record, signal=record.signal[:, :stop])])
        assert np.isfinite(few.arrays["features"]).all()
        assert np.isfinite(few.arrays["patches"]).all()
        assert len(PREPROCESSOR.cuts(few)) == (len(few.arrays["rpeaks"]) > 0)


def test_every_beat_is_scored_once_and_with_context(sentence, samples):
    scored = np.concatenate([sample["unit"][sample["unit"] >= 0] for sample in samples])
    np.testing.assert_array_equal(np.sort(scored), np.arange(len(sentence.arrays["rpeaks"])))
    inner = samples[1]
    first = np.flatnonzero(inner["unit"] >= 0)[0]
    assert np.sum(inner["wave"][:first] == 1) == SPEC.context_beats


def test_a_window_is_cls_tokens_sep_and_padding(sentence):
    cuts = PREPROCESSOR.cuts(sentence)
    cut = PREPROCESSOR.inputs(sentence, cuts[-1])
    n = int(cut["mask"].sum())
    assert len(cut["tokens"]) == SPEC.window_tokens
    assert cut["tokens"][0] == CLS
    assert cut["tokens"][n - 1] == SEP
    assert set(cut["tokens"][n:]) <= {PAD}
    assert np.all(cut["tokens"][1 : n - 1] == UNKNOWN)
    assert cut["patches"].shape == (SPEC.window_tokens, 2, SPEC.segment_length)
    assert cut["features"].shape == (SPEC.window_tokens, len(FEATURES))
    assert not cut["patches"][n:].any()


def test_the_samples_of_a_segment_travel_with_its_token(sentence):
    window = PREPROCESSOR.cuts(sentence)[1]
    cut, of = PREPROCESSOR.inputs(sentence, window), sentence.arrays
    n, part = window.stop_token - window.first_token, slice(window.first_token, window.stop_token)
    np.testing.assert_array_equal(cut["patches"][1 : n + 1], of["patches"][part])
    np.testing.assert_array_equal(cut["wave"][1 : n + 1], of["wave"][part])


def test_units_stand_at_the_qrs_of_their_beat_and_nowhere_else(samples):
    for sample in samples:
        assert set(sample["wave"][sample["unit"] >= 0]) == {1}


def test_hiding_takes_each_share_by_itself(samples):
    plain, shares = samples[1], []
    words = plain["tokens"] < UNKNOWN
    for seed in range(50):
        item = HideTokens(0.3)(copied(plain), np.random.default_rng(seed))
        np.testing.assert_array_equal(item["unit"], plain["unit"])
        blank = ~item["patches"][words].any(axis=(1, 2))
        timeless = ~item["features"][words].any(axis=1)
        shares.append(
            [(item["tokens"][words] == UNKNOWN).mean(), blank.mean(), timeless.mean(), (blank & timeless).mean()]
        )
    assert np.mean(shares, axis=0) == pytest.approx([0.3, 0.3, 0.3, 0.09], abs=0.03)
    for name, array in HideTokens(0.0)(copied(plain), np.random.default_rng(0)).items():
        np.testing.assert_array_equal(array, plain[name])


def test_masking_follows_80_10_10_and_scores_hidden_tokens_only(samples):
    chosen = kept = hidden = total = 0
    for i, plain in enumerate(samples):
        for seed in range(20):
            item = MaskedTokens()(copied(plain), np.random.default_rng([seed, i]))
            at = item["labels"] != IGNORED
            np.testing.assert_array_equal(item["labels"][at], plain["tokens"][at])
            np.testing.assert_array_equal(item["tokens"][~at], plain["tokens"][~at])
            np.testing.assert_array_equal(item["patches"][~at], plain["patches"][~at])
            assert not item["patches"][at].any()
            assert not item["features"][at].any()
            assert np.all(plain["tokens"][at] < UNKNOWN)
            hidden += int((item["tokens"][at] == MASK).sum())
            kept += int((item["tokens"][at] == plain["tokens"][at]).sum())
            chosen += int(at.sum())
            total += int((plain["tokens"] < UNKNOWN).sum())
    assert chosen / total == pytest.approx(0.15, abs=0.01)
    assert hidden / chosen == pytest.approx(0.8, abs=0.03)
    # one random token in 70 is the token itself
    assert kept / chosen == pytest.approx(0.1 + 0.1 / 70, abs=0.03)


NEW = SentencePreprocessor(SentenceSpec())


def with_gaps(record, *gaps, lead=0):
    signal = record.signal.copy()
    for start, stop in gaps:
        signal[lead, start:stop] = np.nan
    return dataclasses.replace(record, signal=signal)


def test_one_missing_sample_changes_nothing_but_its_segment(record):
    """Fault 9: one NaN refused the whole recording."""
    whole = NEW.prepare([record])
    peak = int(whole.arrays["rpeaks"][5])
    found = NEW.prepare([with_gaps(record, (peak, peak + 1))])
    np.testing.assert_allclose(found.arrays["rpeaks"], whole.arrays["rpeaks"], atol=2)
    assert not found.arrays["gap"].any()
    assert found.about["gaps"] == {"ECG": [1, pytest.approx(1 / record.fs, abs=1e-3)]}


def test_beats_of_a_gap_are_not_there_and_what_touches_it_is_hidden(record):
    start, stop = round(10 * record.fs), round(14 * record.fs)
    found = NEW.prepare([with_gaps(record, (start, stop))])
    rpeaks = found.arrays["rpeaks"]
    assert not ((rpeaks >= start) & (rpeaks < stop)).any()
    assert ((rpeaks < start) | (rpeaks >= stop)).sum() > 20
    fitted = NEW.fit([found], names=["a"], seed=0)
    gap = found.arrays["gap"]
    touches = (found.arrays["start"] < stop) & (found.arrays["stop"] > start)
    np.testing.assert_array_equal(gap, touches)
    assert (fitted.tokens(found)[gap] == UNKNOWN).all()
    for cut in fitted.cuts(found):
        sample = fitted.inputs(found, cut)
        hidden = np.flatnonzero(gap[cut.first_token : cut.stop_token]) + 1
        assert not sample["patches"][hidden].any()
        assert not sample["features"][hidden].any()
        assert np.isfinite(sample["patches"]).all()


def test_gaps_are_refused_by_lead_and_time_where_the_spec_says_so(record):
    strict = SentencePreprocessor(SentenceSpec(gaps="refuse"))
    strict.prepare([record])
    with pytest.raises(RecordError, match=r"lead MLII: got 36 missing samples, the first at 1\.00 s"):
        strict.prepare([with_gaps(record, (360, 396))])


def test_a_flat_lead_is_refused_by_name_or_another_taken(record):
    flat = record.signal.copy()
    flat[0] = 0.7
    found = NEW.prepare([dataclasses.replace(record, signal=flat)])
    assert found.about["leads"] == {"ECG": "V1"}
    assert len(found.arrays["rpeaks"]) > 20
    flat[1] = 0.7
    with pytest.raises(RecordError, match="lead MLII: got one value throughout, wanted an ECG"):
        NEW.prepare([dataclasses.replace(record, signal=flat)])
    assert NEW.prepare([record], choose="v1").about["leads"] == {"ECG": "V1"}


def test_a_vocabulary_of_another_spec_is_refused(record):
    fitted = NEW.fit([NEW.prepare([record])], names=["a"], seed=0)
    with pytest.raises(ConfigError, match="fitted under another spec"):
        SentencePreprocessor(SentenceSpec(fs=250), fitted.state)


def test_beats_may_be_described_within_their_recording_beside_the_sentence(record, sentence):
    spec = SPEC.model_copy(update={"describe": "beats"})
    assert spec.digest() != SPEC.digest()
    assert "describe" not in SPEC.model_dump(mode="json")
    prepared = SentencePreprocessor(spec).prepare([record])
    found = prepared.arrays
    for name, array in sentence.arrays.items():
        np.testing.assert_array_equal(found[name], array)
    peaks = found["rpeaks"]
    table = within_recording(measure_beats(resample(record.signal[0], record.fs, spec.fs)[None], peaks, spec.fs))
    np.testing.assert_allclose(found["described"], table, atol=1e-5)
    preprocessor = SentencePreprocessor(spec).fit([prepared], names=["a"], seed=0)
    for of in (prepared, preprocessor.complete(prepared)):
        for cut in preprocessor.cuts(prepared):
            inputs = preprocessor.inputs(of, cut)
            scored = inputs["unit"] >= 0
            rows = inputs["beats"][inputs["place"][scored]]
            wanted = levels(found["described"][inputs["unit"][scored]], steps(found["described"]))
            np.testing.assert_array_equal(rows, wanted)
            assert set(inputs["place"][inputs["wave"] != 1]) == {-1}


def test_delineated_segments_tile_the_recording_and_fit_the_windows(record):
    preprocessor = SentencePreprocessor(SPEC.model_copy(update={"segmentation": "delineated"}))
    found = preprocessor.prepare([record])
    of = found.arrays
    np.testing.assert_array_equal(of["start"][1:], of["stop"][:-1])
    scored = np.concatenate([preprocessor.inputs(found, cut)["unit"] for cut in preprocessor.cuts(found)])
    seen = np.unique(of["beat"][of["wave"] == 1])
    np.testing.assert_array_equal(np.sort(scored[scored >= 0]), seen)
    assert len(seen) > 0.95 * len(of["rpeaks"])
