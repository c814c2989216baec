"""From raw recordings to samples: manifests, splits, preprocessing of every kind, targets, stores."""

import biotl.datasets.prepare  # noqa: F401  -- first: once imported, the module would replace the function of its name
from biotl.datasets.kinds import make_preprocessor
from biotl.datasets.preprocessor import Prepared
from biotl.datasets.spec_kinds import SentenceSpec, SequenceSpec, Spec, WindowSpec
from biotl.records import Record

__all__ = ["SentenceSpec", "SequenceSpec", "SignalSpec", "Spec", "WindowSpec", "prepare"]

SignalSpec = SentenceSpec
"""What `SentenceSpec` was called while there was one kind of specification."""


def prepare(record: Record, spec: Spec) -> Prepared:
    """Prepare one recording under a specification, without a manifest, a store or anything that is fitted.

    Parameters
    ----------
    record : Record
        Raw signal at its own rate.
    spec : SentenceSpec, WindowSpec or SequenceSpec
        What is read of it and how; ``spec.gaps`` says what becomes of samples that are NaN.

    Returns
    -------
    Prepared
        ``arrays`` by name, such as ``rpeaks``, ``wave`` and ``patches`` of a sentence, and ``about``: the lead that was
        read, gaps, warnings.

    Raises
    ------
    RecordError
        If a channel of the spec is not in the record, or its unit does not fit.
    SignalError
        If the signal is too short, or has a gap that the spec refuses.

    Examples
    --------
    >>> from biotl.records import ecg
    >>> prepared = prepare(ecg(0, duration_s=20.0), SentenceSpec())
    >>> prepared.about["leads"], len(prepared.arrays["rpeaks"]) > 15
    ({'ECG': 'MLII'}, True)
    """
    return make_preprocessor(spec).prepare([record])
