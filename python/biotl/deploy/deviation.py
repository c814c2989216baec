"""How far a file that takes raw samples is from the preprocessing that its model was trained behind, on recordings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biotl.datasets.preprocessor import Preprocessor
from biotl.deploy.answer import Forward, batches, outputs
from biotl.deploy.decision import Decision
from biotl.deploy.raw import Run, feed, rows
from biotl.errors import TrainingError
from biotl.records import Record

MOST_INPUT = 1e-3
"""In standard deviations of a window: a hundred times what is found on real recordings, a thousandth of its noise."""
MOST_OTHER = 0.001
"""Share of answers that may be another one, where two classes are as likely as each other."""


@dataclass(frozen=True)
class Deviation:
    """What differs, the largest of each.

    Parameters
    ----------
    units : int
        Windows or steps that were compared.
    unanswered : int
        Of these recordings, with a gap in reach of a filter: the file gives NaN where the preprocessing bridges it.
    seconds : float
        Length of the recordings.
    channels : list of str
        Their names in the recordings.
    input, output : float
        What the network reads, and what it gives, over the largest output where that exceeds 1.
    answers : int
        How many answers are another one.
    """

    units: int
    unanswered: int
    seconds: float
    channels: list[str]
    input: float
    output: float
    answers: int

    def check(self, *, causal: bool = False) -> dict[str, Any]:
        """Return it as JSON; of filters that run once it only has to be stated.

        Raises
        ------
        TrainingError
            If nothing could be compared, or more differs than rounding explains.
        """
        if not self.units:
            raise TrainingError("preprocess: got no window without gaps, wanted one to compare: --record another one")
        if causal:
            return asdict(self)
        if not self.input <= MOST_INPUT or self.answers > MOST_OTHER * self.units:
            raise TrainingError(
                f"preprocess: graph and spec differ by {self.input:.2g} in what the network reads and in "
                f"{self.answers} of {self.units} answers; wanted at most {MOST_INPUT:g} and {MOST_OTHER:.1%}; use "
                "--preprocess spec"
            )
        return asdict(self)


def measure(
    preprocessor: Preprocessor,
    decision: Decision,
    recordings: Sequence[Sequence[Record]],
    *,
    rates: Mapping[str, float],
    forward: Forward,
    front: Run,
    whole: Run,
) -> Deviation:
    """Compare, unit by unit.

    Parameters
    ----------
    preprocessor, decision
        Of the model.
    recordings : sequence of sequence of Record
        The files of each.
    rates : mapping of str to float
        Of the channels that the file takes, Hz.
    forward : callable
        The network on prepared inputs.
    front, whole : callable
        From raw samples to what the network reads, and to the raw output.
    """
    units = unanswered = answers = 0
    seconds, apart, further, largest = 0.0, 0.0, 0.0, 1.0
    channels: dict[str, None] = {}
    for records in recordings:
        prepared = preprocessor.prepare(records)
        channels |= dict.fromkeys(prepared.about["leads"].values())
        seconds += prepared.samples / prepared.fs
        wanted, fed = outputs(preprocessor, prepared, forward), feed(preprocessor, records, rates)
        place = rows(preprocessor, prepared)
        got = whole(fed)[0]
        got = got.reshape(len(got), -1)[place if preprocessor.unit == "window" else slice(None)]
        seen = np.isfinite(got).all(axis=1)
        units, unanswered = units + int(seen.sum()), unanswered + int((~seen).sum())
        read = front(fed)
        cuts = [cut for batch in batches(preprocessor, preprocessor.complete(prepared), 32) for cut in _each(batch)]
        for at, cut in zip(place, cuts, strict=True):
            if seen[cut["unit"][cut["unit"] >= 0]].all():
                apart = max(apart, float(np.abs(read[at] - cut["signal"]).max()))
        if seen.any():
            further = max(further, float(np.abs(got - wanted)[seen].max()))
            largest = max(largest, float(np.abs(wanted[seen]).max()))
            if (told := decision.read(wanted).value).dtype.kind == "i":
                answers += int((told != decision.read(got).value)[seen].sum())
    return Deviation(units, unanswered, round(seconds, 3), list(channels), apart, further / largest, answers)


def _each(batch: dict[str, NDArray[Any]]) -> Iterator[dict[str, NDArray[Any]]]:
    for k in range(len(batch["unit"])):
        yield {name: of[k] for name, of in batch.items()}
