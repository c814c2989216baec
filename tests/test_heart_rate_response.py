"""The response of heart rate to effort: what is fitted is found again, and every way of computing it agrees."""

import numpy as np
import pytest
import torch

from biotl.models.boosted_trees import BoostedTrees
from biotl.models.heart_rate_response import HeartRateResponse
from biotl.models.response_table import NEEDS, TABLE
from biotl.training.response import NOISE, Workout, fit_response

STEP_S = 5.0
ROW = {
    "level": 150, "gain": 50, "drift": 12, "daytime": 4, "trees": 0, "trust": 0.5, "usual": 12, "up_s": 50,
    "down_s": 80, "slow_s": 900, "fast_start": 0.4, "slow_start": 0.1,
}  # fmt: skip


def course(rng, steps=480, sport=1):
    """Columns of a workout whose speed changes every two minutes."""
    demand = np.repeat(rng.uniform(4, 18, -(-steps // 24)), 24)[:steps]
    columns = {name: rng.normal(size=steps) for name in NEEDS}
    columns |= {
        "demand": demand,
        "climb": np.repeat(rng.normal(0, 2, steps // 24), 24),
        "typical": np.full(steps, 12.0),
    }
    return columns | {"sport": np.full(steps, sport), "elapsed": np.arange(steps) / 12, "daytime": np.full(steps, 0.4)}


def response(columns, of=ROW):
    """The model in plain steps: a dead time of one, and two responses in parallel."""
    effort = np.clip((columns["demand"] + of["trust"] * columns["climb"]) / of["usual"], 0, 3)
    effort = np.r_[effort[0], effort[:-1]]
    up, down, slow = of["fast_start"], of["fast_start"], of["slow_start"]
    keep = {name: np.exp(-STEP_S / of[f"{name}_s"]) for name in ("up", "down", "slow")}
    found = []
    for now, day in zip(effort, columns["daytime"], strict=True):
        up = keep["up"] * up + (1 - keep["up"]) * now
        down = keep["down"] * down + (1 - keep["down"]) * now
        slow = keep["slow"] * slow + (1 - keep["slow"]) * now**2
        found.append(of["level"] + of["gain"] * (max(up, down) - 1) + of["drift"] * (slow - 1) + of["daytime"] * day)
    return np.array(found)


def network(*, users=1, channels=NEEDS, trees=None, **options):
    sizes = {} if trees is None else {"trees": len(trees.root), "nodes": len(trees.feature)}
    model = HeartRateResponse(channels, STEP_S, users=users, **sizes, **options).eval()
    with torch.no_grad():
        model.table.copy_(torch.tensor([[ROW[name] for name in TABLE]] * len(model.table)))
        model.noise.copy_(torch.tensor(NOISE))
        if trees is not None:
            model.trees = BoostedTrees.of(trees)
    return model


def signal(columns, *more):
    held = [columns[name] for name in NEEDS] + list(more)
    return torch.tensor(np.stack(held, 1)[None].astype(np.float32))


def answer(model, x, user=1):
    with torch.no_grad():
        return model(x, torch.tensor([user]))["prediction"][0].numpy()


def test_the_model_is_two_responses_in_parallel_after_a_dead_time():
    columns = course(np.random.default_rng(0))
    np.testing.assert_allclose(answer(network(), signal(columns)), response(columns), atol=1e-3)
    # it falls slower than it rises
    step = {**columns, "climb": np.zeros(480), "demand": np.r_[np.full(240, 12.0), np.zeros(240)]}
    rises, falls = answer(network(), signal({**step, "demand": step["demand"][::-1]})), answer(network(), signal(step))
    half = [np.argmax(np.abs(x[240:] - x[240]) > 25) for x in (rises, falls)]
    assert half[0] < half[1]


def test_an_answer_knows_no_later_step():
    columns = course(np.random.default_rng(1))
    later = {**columns, "demand": np.r_[columns["demand"][:200], np.full(280, 3.0)]}
    one, other = (answer(network(), signal(of)) for of in (columns, later))
    np.testing.assert_array_equal(one[:201], other[:201])  # the dead time is a step
    assert np.abs(one - other).max() > 10


def test_a_fit_finds_a_body_again_and_takes_one_with_few_runs_for_the_others():
    rng = np.random.default_rng(2)
    bodies = {"a": ROW, "b": {**ROW, "level": 135, "gain": 40, "up_s": 70, "down_s": 100}}
    held = []
    for user, of in bodies.items():
        for _ in range(6):
            columns = course(rng)
            held.append(Workout(columns, response(columns, of) + rng.normal(0, 2, 480), user))
    dry = held[0].rate.copy()
    dry[40:80] = 185  # a dry strap
    held[0] = Workout(held[0].columns, dry, "a")
    short = course(rng, 48)
    held.append(Workout(short, response(short, {**ROW, "level": 190}), "c"))
    fitted = fit_response(held, ["a", "b", "c"], STEP_S, trees=False)
    table = dict(zip(TABLE, fitted.table[1::3].T, strict=True))  # of running; strangers first
    np.testing.assert_allclose(table["level"][1:3], [150, 135], atol=3)
    np.testing.assert_allclose(table["gain"][1:3], [50, 40], atol=4)
    np.testing.assert_allclose(table["up_s"][1:3], [50, 70], rtol=0.2)
    np.testing.assert_allclose(table["trust"][1:3], 0.5, atol=0.1)
    assert 150 < table["level"][3] < 185
    assert 138 < table["level"][0] < 165
    assert table["usual"][0] == 0 < table["usual"][1]


@pytest.fixture(scope="module")
def grown():
    rng = np.random.default_rng(3)
    held = []
    for _ in range(4):
        columns = course(rng)
        extra = np.where(columns["elapsed"] < 8, 10, 0)  # of every run of this user
        held.append(Workout(columns, response(columns) + extra + rng.normal(0, 1, 480), "a"))
    return fit_response(held, ["a"], STEP_S), held


def test_trees_add_what_the_runs_of_a_user_have_in_common_and_nothing_for_strangers(grown):
    fitted, held = grown
    assert fitted.table[:, TABLE.index("trees")].tolist() == [0] * 3 + [1] * 3
    model = network(trees=fitted.trees)
    with torch.no_grad():
        model.table.copy_(torch.as_tensor(fitted.table))
    x = signal(held[0].columns)
    assert np.abs(answer(model, x) - held[0].rate).mean() < 2.5
    one = fit_response(held[:1], ["a"], STEP_S)
    assert one.trees is None


@pytest.mark.parametrize("before", ["", "heart_rate_before"])
def test_torch_and_onnxruntime_agree_at_every_length_and_batch(grown, before):
    onnxruntime = pytest.importorskip("onnxruntime")
    fitted, _ = grown
    rng = np.random.default_rng(4)
    channels = (*NEEDS, before) if before else NEEDS
    model = network(trees=fitted.trees, channels=channels, before=before, lag=2)
    with torch.no_grad():
        model.table.copy_(torch.as_tensor(fitted.table))
    session = onnxruntime.InferenceSession(model.onnx().SerializeToString(), providers=["CPUExecutionProvider"])
    for steps in (1, 24, 120):
        rows = []
        for k in range(3):
            columns = course(rng, max(steps, 24), sport=k)
            rate = np.where(rng.random(steps) < 0.5, 140 + rng.normal(0, 9, steps), 0)
            rows.append(signal(columns, *([np.r_[rate, np.zeros(max(24 - steps, 0))]] if before else []))[0, :steps])
        x, user = torch.stack(rows), torch.tensor([0, 1, 1])
        with torch.no_grad():
            wanted = model(x, user)["prediction"].numpy()
        (got,) = session.run(None, {"signal": x.numpy(), "user": user.numpy()})
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-3)


def test_a_filter_learns_the_level_of_the_day_and_forgets_a_dry_strap():
    rng = np.random.default_rng(5)
    columns = course(rng)
    truth = response(columns, {**ROW, "level": 162}) + rng.normal(0, 1, 480)
    model = network(channels=(*NEEDS, "heart_rate_before"), before="heart_rate_before", lag=1)

    def after(rate, minutes, user):
        known = np.r_[0, rate[:-1]]
        known[minutes * 12 + 1 :] = 0
        return np.abs(answer(model, signal(columns, known), user) - truth)[240:].mean()

    errors = [after(truth, minutes, 0) for minutes in (0, 2, 5, 10, 20)]
    assert errors[0] > 11
    assert errors[3] < 5
    assert errors[4] < 2.5
    assert sorted(errors, reverse=True) == errors
    wild = truth.copy()
    wild[10:30] = 200
    assert after(wild, 10, 0) < 8


def test_a_filter_sees_no_heart_rate_of_its_own_step_or_later():
    rng = np.random.default_rng(6)
    columns = course(rng)
    model = network(channels=(*NEEDS, "heart_rate_before"), before="heart_rate_before", lag=1)
    rate = 140 + rng.normal(0, 5, 480)
    other = np.r_[rate[:100], rate[100:] + 30]
    one, two = (answer(model, signal(columns, x)) for x in (rate, other))
    np.testing.assert_array_equal(one[:100], two[:100])
    assert np.abs(one - two)[100:].max() > 5
