"""What the first minutes of a channel are worth, where a model reads it as it was before: a table of its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from biotl.datasets.preprocessor import Prepared
from biotl.datasets.spec_kinds import SequenceSpec
from biotl.deploy.answer import Forward, answer
from biotl.deploy.decision import Decision
from biotl.recipes.figures import asked_of
from biotl.recipes.units import reference, within
from biotl.report.robustness import Panels
from biotl.scoring.answers import Answered
from biotl.scoring.baselines.steps import newest
from biotl.scoring.bootstrap import interval

if TYPE_CHECKING:
    from biotl.recipes.recipe import Ready

MINUTES = (0, 2, 5, 10)
TITLE = "By minutes of heart rate"
LAST = "newest known value"


def first(prepared: Prepared, spec: SequenceSpec, minutes: float) -> Prepared:
    """Return a recording of whose lagged channel only the first minutes are known."""
    assert spec.lagged is not None
    signal = prepared.arrays["signal"].copy()
    signal[round(minutes * 60 * spec.fs) + spec.lagged.steps(spec.fs) :, -1] = np.nan
    return replace(prepared, arrays={**prepared.arrays, "signal": signal})


def answered(ready: "Ready", run: Forward, decision: Decision, minutes: float) -> list[Answered]:
    """Answer the test recordings with what is known of their first minutes."""
    spec, name, found = ready.preprocessor.spec, ready.config.model.name, []
    assert isinstance(spec, SequenceSpec)
    for part in ready.parts("test"):
        prepared = first(ready.store[part.id], spec, minutes)
        said = answer(ready.preprocessor, decision, prepared, run)
        inside = within(part, said.span, prepared.samples)
        last = newest(prepared.arrays["signal"][:, -1])[inside]
        found.append(replace(reference(ready, part), answers={name: said.value[inside], LAST: last}))
    return found


def after(of: Sequence[Answered], minutes: float) -> list[Answered]:
    """Score only what comes after so many minutes; recordings that end before are left out."""
    late = [replace(one, truth=np.where(one.span[:, 0] / one.fs >= minutes * 60, one.truth, np.nan)) for one in of]
    return [one for one in late if np.isfinite(one.truth).any()]


def by_minutes(ready: "Ready", run: Forward, decision: Decision) -> Panels | None:
    """Return the error by the minutes that are known, on the steps after minute 10; nothing where nothing is lagged."""
    spec = ready.preprocessor.spec
    if not isinstance(spec, SequenceSpec) or spec.lagged is None:
        return None
    most = np.inf if spec.lagged.first_s is None else spec.lagged.first_s / 60
    asked, curve = asked_of(decision), {}
    for minutes in MINUTES:
        late = after(answered(ready, run, decision, minutes), MINUTES[-1]) if minutes <= most else []
        if late:
            names = late[0].answers if minutes else [ready.config.model.name]
            measure = asked.measure(late)
            curve[f"{minutes} min"] = {
                name: interval(late, measure, name, seed=ready.config.seed)["mae"] for name in names
            }
    notes = (
        f"Every row is scored on the same steps: those after minute {MINUTES[-1]}.",
        f"What is known of the channel is {spec.lagged.horizon_s:g} s old at each step. Nothing was learnt anew.",
    )
    return Panels(TITLE, "Mean absolute error", asked.unit, notes, {"minutes known": curve}) if curve else None
