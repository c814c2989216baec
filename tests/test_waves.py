"""Waves beat by beat and together: networks, beats that look alike, and whether a P is there; held to the twin."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

import reference
from biotl import _core

WEIGHTS = Path(__file__).parents[1] / "rust" / "biotl-core" / "src" / "waves" / "waves.safetensors"
FS = 250


def bump(t, at, width):
    return np.exp(-(((t - at) / width) ** 2) / 2)


def lead(gaps, p, wide, noise, seed):
    """A lead of beats after such gaps in seconds, some without P, some wide; and its R peaks."""
    times = 1.0 + np.cumsum(gaps)
    t = np.arange(round((times[-1] + 1.0) * FS)) / FS
    x = noise * np.random.default_rng(seed).standard_normal(len(t))
    for at, height, broad in zip(times, p, wide, strict=True):
        x += height * bump(t, at - 0.16, 0.02) + 0.3 * bump(t, at + 0.26, 0.04)
        x += bump(t, at, 0.011) - 0.25 * bump(t, at + 0.035, 0.01)
        x -= broad * 1.2 * bump(t, at + 0.05, 0.04)
    return x, np.round(times * FS).astype(np.int64)


@pytest.fixture(scope="module")
def weights():
    return load_file(WEIGHTS)


@settings(deadline=None, max_examples=60)
@given(
    beats=st.lists(
        st.tuples(st.sampled_from([0.5, 0.7, 0.8, 0.92, 1.2]), st.sampled_from([0, 0.03, 0.06, 0.12]), st.booleans()),
        min_size=1,
        max_size=24,
    ),
    noise=st.sampled_from([0.003, 0.02, 0.05]),
    seed=st.integers(0, 99),
)
def test_beats_of_one_shape_and_rhythm_say_together_whether_they_have_a_p(weights, beats, noise, seed):
    x, rpeaks = lead(*zip(*beats, strict=True), noise, seed)
    own = lambda name: {k[len(name) + 1 :]: v for k, v in weights.items() if k.startswith(f"{name}.")}  # noqa: E731
    rows = _core.wave_complexes(x, rpeaks, FS)
    like = reference.alike(rows[:, :51])
    np.testing.assert_allclose(rows[:, 51:102], [rows[j, :51].mean(axis=0) for j in like], atol=1e-5)
    np.testing.assert_allclose(11 * rows[:, 116], [len(j) for j in like], atol=1e-5)
    qrs = reference.wave_network(rows, own("qrs"), 2, 51, -0.18, 0.008)
    onset, offset = qrs[:, 0].astype(np.float32), qrs[:, 2].astype(np.float32)
    before, _, onsets = _core.wave_surroundings(x, rpeaks, FS, onset, offset)
    np.testing.assert_allclose(onsets, [onset[j].mean() for j in like], atol=1e-6)
    p = reference.wave_network(before, own("p"), 2, 48, -0.43, 0.010)

    points, confidence = _core.delineate(x, rpeaks, FS)
    alone = np.minimum(p[:, 6], qrs[:, 6])
    right = (1 - np.exp(-0.04 / np.exp(p[:, 3:6]))).mean(axis=1)
    np.testing.assert_allclose(confidence[0], right / (1 + np.exp(-alone)), atol=1e-3)
    gaps = np.exp(rows[:, 114])
    there = np.minimum(reference.shared(alone, like, gaps), qrs[:, 6])
    # a P wave that lies in the wave before it or in its own complex is none, whatever the network says
    at = rpeaks / FS + onsets + p[:, 1]
    free = np.concatenate([[0], np.maximum(points[5], points[8])[:-1] + 1]) / FS
    clear = (np.abs(there - 0.3) > 0.01) & (np.abs(at - free) > 1 / FS) & (np.abs(at - points[3] / FS) > 1 / FS)
    wanted = (there > 0.3) & (at > free) & (at < points[3] / FS)
    assert np.array_equal((points[1] >= 0)[clear], wanted[clear])
    both = clear & wanted
    np.testing.assert_allclose(points[1][both] / FS, at[both], atol=0.6 / FS)
