"""Conformal abstention: the coverage that was asked for, on subjects that had no part in choosing."""

import numpy as np

from biotl.scoring.answers import Answered
from biotl.scoring.bootstrap import interval
from biotl.scoring.conformal import Sets, fit


def people(seed, count, harder=0.0, sizes=(20, 400)):
    """Return subjects who differ in how hard they are and in how much they bring."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(count):
        n = int(rng.integers(*sizes))
        truth = rng.integers(0, 3, n)
        logit = rng.normal(0, 1, (n, 3)) + rng.uniform(0.3, 4 - harder) * np.eye(3)[truth]
        p = np.exp(logit) / np.exp(logit).sum(1, keepdims=True)
        span = np.stack([np.arange(n), np.arange(n) + 1], 1)
        made.append(Answered(f"r{seed}-{k}", "", "beat", 1.0, span, truth, {"m": p.argmax(1)}, probability=p))
    return made


def test_new_subjects_are_covered_as_often_as_was_asked():
    covered = []
    for trial in range(60):
        rule = fit(people(trial, 20), 0.9)
        # a subject counts as one, however long
        sets = [(rule.sets(of.probability), of.truth) for of in people(1000 + trial, 10)]
        covered += [of[np.arange(len(truth)), truth].mean() for of, truth in sets]
    assert 0.89 <= np.mean(covered) <= 0.97


def test_what_is_answered_is_right_more_often_than_without_abstaining():
    figures = interval(people(2, 30), Sets(fit(people(1, 30), 0.9)), "m")
    assert figures["accuracy"].value > figures["before"].value + 3
    assert 20 < figures["answered"].value < 100


def test_too_few_subjects_answer_nothing():
    few = fit(people(0, 8), 0.9)
    probability = people(1, 1)[0].probability
    assert (few.score, few.subjects) == (np.inf, 8)
    assert (few.answer(probability) == -1).all()
    assert fit(people(0, 9), 0.9).score <= 1
    assert (fit([], 0.9).answer(probability) == -1).all()


def test_a_set_of_none_or_of_two_is_an_abstention():
    rule = fit(people(0, 20), 0.9)
    assert rule.answer(np.array([[0.98, 0.01, 0.01], [0.49, 0.49, 0.02]])).tolist() == [0, -1]
