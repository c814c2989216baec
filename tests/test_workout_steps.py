"""Workouts as steps: what is derived of them, whose they are, when they were, and a heart rate that lies behind."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from biotl.datasets.derived import RIDE, RUN, USUAL_DAYTIME, WALK
from biotl.datasets.labels import ChannelAt
from biotl.datasets.manifest import read_manifest
from biotl.datasets.sequences import SequencePreprocessor
from biotl.datasets.spec import Channel
from biotl.datasets.spec_kinds import SequenceSpec
from biotl.errors import ConfigError
from biotl.records import Record, read
from biotl.records.activity import by_the_sun

CHANNELS = ({"name": "speed", "unit": "km/h"}, {"name": "altitude", "unit": "m", "optional": True})
RATE = Channel(name="heart_rate", unit="bpm")


def workout(speed, altitude=None, rate=None, **about):
    held = {"speed": ("km/h", speed), "altitude": ("m", altitude), "heart_rate": ("bpm", rate)}
    held = {name: of for name, of in held.items() if of[1] is not None}
    n = max(np.size(x) for _, x in held.values())
    signal = np.stack([np.broadcast_to(x, n) for _, x in held.values()]).astype(np.float32)
    return Record("a", signal, 1.0, tuple(held), tuple(unit for unit, _ in held.values()), "a", **about)


def steps(**options):
    return SequencePreprocessor(
        SequenceSpec(**{"fs": 0.2, "length": 60, "channels": CHANNELS, "scaled": False} | options)
    )


def column(record, name):
    return steps(derived=(name,)).prepare([record]).arrays["signal"][:, -1]


@pytest.mark.parametrize(("kmh", "kind"), [(5, WALK), (12, RUN), (28, RIDE)])
def test_the_sport_is_told_from_the_speeds(kmh, kind):
    speed = np.full(600, float(kmh))
    speed[200:300] = 0
    assert set(column(workout(speed, 50.0), "sport")) == {kind}


def test_a_ride_costs_by_air_and_slope_and_a_run_by_the_metre():
    run, ride = workout(np.full(600, 12.0), 50.0), workout(np.full(600, 30.0), 50.0)
    np.testing.assert_allclose(column(run, "demand"), 3.6 * 12 / 3.6, rtol=1e-5)
    v = 30 / 3.6
    np.testing.assert_allclose(column(ride, "demand"), (0.006 * 9.81 * v + 0.0026 * v**3) / 0.24, rtol=1e-5)
    down = workout(np.full(600, 30.0), 500 - 0.05 * v * np.arange(600))
    flat, climb = column(down, "demand"), column(down, "climb")
    np.testing.assert_allclose((flat + climb)[10:-10], 0, atol=1e-4)  # nobody pedals backwards
    np.testing.assert_allclose(
        column(workout(np.full(600, 12.0)), "climb"), 0, atol=1e-4
    )  # no altitude: as on the flat


def test_a_running_mean_forgets_by_its_time_constant():
    speed = np.r_[np.full(300, 0.0), np.full(300, 10.0)]
    mean = column(workout(speed), "demand_60s")
    goal = 10.0  # W/kg: 3.6 J/kg/m at 10 / 3.6 m/s
    assert mean[60 + 11] == pytest.approx(goal * (1 - np.exp(-1)), rel=1e-3)


def test_the_hour_of_the_day_counts_where_it_is_known():
    speed = np.full(60, 10.0)
    at = {hour: column(workout(speed, start=datetime(2020, 1, 1, hour)), "daytime")[0] for hour in (3, 9, 15)}
    assert at == {3: pytest.approx(-1), 9: pytest.approx(0, abs=1e-6), 15: pytest.approx(1)}
    assert column(workout(speed), "daytime")[0] == np.float32(USUAL_DAYTIME)
    assert by_the_sun(0.0, 10.0) is None
    assert by_the_sun(1.5e9, np.nan) is None


def test_a_tcx_file_says_when_it_was_by_its_place(tmp_path):
    point = (
        "<Trackpoint><Time>2020-01-01T12:00:{:02}Z</Time><Position><LatitudeDegrees>1</LatitudeDegrees>"
        "<LongitudeDegrees>-60</LongitudeDegrees></Position><HeartRateBpm><Value>90</Value></HeartRateBpm></Trackpoint>"
    )
    body = "".join(point.format(second) for second in range(3))
    (tmp_path / "a.tcx").write_text(
        f"<TrainingCenterDatabase><Activities><Activity>{body}</Activity></Activities></TrainingCenterDatabase>"
    )
    assert read(tmp_path / "a.tcx").start == datetime(2020, 1, 1, 8)


def test_a_manifest_says_who_and_when(tmp_path):
    t = np.arange(30)
    np.savetxt(tmp_path / "run.csv", np.c_[t, 10 + t / 10], delimiter=",", header="t_s,speed_kmh", comments="")
    (tmp_path / "m.csv").write_text("id,file,subject,time\na,run.csv,Ada,2020-01-01 06:30\n")
    (record,) = read_manifest(tmp_path / "m.csv")[0].read()
    assert (record.subject, record.start) == ("Ada", datetime(2020, 1, 1, 6, 30))


def test_uneven_points_say_how_far_apart_they_are():
    speed = np.full(120, np.nan)
    speed[::4], speed[60:100] = 10, np.nan
    x = column(workout(speed), "interval")
    assert x[2] == 4
    assert x[16] == 44  # seconds: the watch was paused


def test_known_users_are_numbered_and_strangers_are_not():
    pre = steps(users=True)
    held = workout(np.full(60, 10.0))
    one, two = (pre.prepare([replace(held, subject=who)]) for who in "ab")
    fitted = pre.fit([one], names=["x"], seed=0)
    user = [int(fitted.inputs(of, fitted.cuts(of)[0])["user"]) for of in (one, two)]
    assert user == [1, 0]
    assert "a" not in fitted.state["users"]  # a digest


def test_a_lagged_channel_is_read_as_it_was_and_of_the_beginning_alone():
    rate = np.repeat(np.arange(100.0, 124), 5)
    rate[20:30] = np.nan
    before = {"channel": RATE, "horizon_s": 10}
    x = steps(lagged=before).prepare([workout(np.full(120, 10.0), rate=rate)]).arrays["signal"][:, -1]
    np.testing.assert_array_equal(x[:8], [np.nan, np.nan, 100, 101, 102, 103, np.nan, np.nan])
    first = steps(lagged={**before, "first_s": 10}).prepare([workout(np.full(120, 10.0), rate=rate)])
    np.testing.assert_array_equal(first.arrays["signal"][:5, -1], [np.nan, np.nan, 100, 101, np.nan])
    assert steps(lagged=before).spec.names[-1] == "heart_rate_before"
    ChannelAt(RATE).check(steps(lagged=before).spec)


def test_a_heart_rate_that_is_not_lagged_is_no_input():
    spec = SequenceSpec(fs=0.2, length=60, channels=(*CHANNELS, RATE))
    with pytest.raises(ConfigError, match="heart_rate is the input channel heart_rate too"):
        ChannelAt(RATE).check(spec)
    with pytest.raises(ValueError, match="wanted 5 s, a step, at least"):
        steps(lagged={"channel": RATE, "horizon_s": 1})
    with pytest.raises(ValueError, match="derived: got demand_x"):
        steps(derived=("demand_x",))
