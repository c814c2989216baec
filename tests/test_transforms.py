"""What is done to a sample when it is drawn."""

import numpy as np
import pytest

from biotl.datasets.transforms import Augmented, MaskedPatches
from biotl.errors import ConfigError


def window(n=1000, channels=2):
    x = np.random.default_rng(0).normal(size=(channels, n)).astype(np.float32)
    measured = np.ones(x.shape, bool)
    measured[1, :150] = False
    return {"signal": np.where(measured, x, np.float32(0)), "measured": measured}


def draw(transform, seed=0, sample=None):
    return transform(dict(sample or window()), np.random.default_rng(seed))


def test_masked_patches_are_whole_as_many_as_asked_and_to_be_restored_where_measured():
    plain = window()
    for seed in range(20):
        found = draw(MaskedPatches(length=100), seed)
        np.testing.assert_array_equal(found["target"], plain["signal"])
        hidden = ~found["signal"].any(axis=0)
        assert hidden.reshape(10, 100).all(axis=1).sum() == 4
        assert hidden.sum() == 400
        np.testing.assert_array_equal(found["mask"], hidden & plain["measured"])
        np.testing.assert_array_equal(found["measured"], ~hidden & plain["measured"])
    assert (draw(MaskedPatches(length=100), 1)["mask"] != draw(MaskedPatches(length=100), 2)["mask"]).any()


def test_every_patch_is_hidden_equally_often_in_blocks_too():
    counts = sum(draw(MaskedPatches(length=100, span=4), seed)["mask"][0, ::100].astype(int) for seed in range(3000))
    np.testing.assert_allclose(counts / 3000, 0.4, atol=0.04)


def test_one_channel_may_stay_visible():
    found = draw(MaskedPatches(length=100, share=0.8, channels=(1,)))
    assert not found["mask"][0].any()
    np.testing.assert_array_equal(found["signal"][0], window()["signal"][0])
    assert (~found["signal"][1].reshape(10, 100).any(axis=1)).sum() >= 8


def test_a_window_that_does_not_divide_is_refused():
    with pytest.raises(ConfigError, match="patches of 125 samples do not divide a window of 1001"):
        draw(MaskedPatches(length=125), sample=window(1001))


def test_augmenting_changes_what_it_says_and_nothing_else():
    plain = window()
    same = draw(Augmented())
    np.testing.assert_array_equal(same["signal"], plain["signal"])
    np.testing.assert_array_equal(same["measured"], plain["measured"])
    louder = draw(Augmented(scale=(2.0, 3.0)))["signal"]
    factor = louder[plain["measured"]] / plain["signal"][plain["measured"]]
    assert 2 <= factor.min() <= factor.max() <= 3
    turned = draw(Augmented(shift=0.1), 3)
    turn = next(k for k in range(-100, 101) if np.array_equal(np.roll(plain["signal"], k, axis=1), turned["signal"]))
    np.testing.assert_array_equal(turned["measured"], np.roll(plain["measured"], turn, axis=1))
    noisy = draw(Augmented(noise=0.5))
    assert (noisy["signal"] - plain["signal"])[plain["measured"]].std() == pytest.approx(0.5, rel=0.05)
    assert not noisy["signal"][~plain["measured"]].any()


def test_a_dropped_channel_is_marked_and_one_always_stays():
    kept = [draw(Augmented(drop=0.9), seed)["measured"].any(axis=1) for seed in range(200)]
    assert min(k.sum() for k in kept) == 1
    assert 0.4 < np.mean(kept) < 0.7
    blank = draw(Augmented(drop=0.999), 1)
    gone = ~blank["measured"].any(axis=1)
    assert not blank["signal"][gone].any()


def test_a_warped_window_runs_faster_and_slower_between_the_same_ends():
    x = np.linspace(0, 1, 1000, dtype=np.float32)[None]  # the value says which sample it was
    plain = {"signal": x, "measured": (x < 0.3) | (x > 0.4)}
    for seed in range(20):
        found = draw(Augmented(warp=0.2), seed, plain)
        seen = found["measured"][0]
        place = found["signal"][0][seen]
        assert (place[0], place[-1]) == (0, 1)
        speed = np.diff(found["signal"][0])[seen[1:] & seen[:-1]] * 999
        assert 0.6 < speed.min() < speed.max() < 1.6
        assert np.ptp(speed) > 0.01
        assert ((place < 0.301) | (place > 0.399)).all()  # what was not measured stays so, where it has moved to
        assert 60 < (~seen).sum() < 160
