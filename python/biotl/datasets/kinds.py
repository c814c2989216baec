"""The preprocessor of each kind of spec: a new kind is a file of its own and a line here."""

from collections.abc import Mapping
from typing import Any

from biotl.datasets.beat_tables import BeatPreprocessor
from biotl.datasets.preprocessor import Preprocessor
from biotl.datasets.sentences import SentencePreprocessor
from biotl.datasets.sequences import SequencePreprocessor
from biotl.datasets.spec_kinds import BeatSpec, SentenceSpec, Spec, WindowSpec
from biotl.datasets.windows import WindowPreprocessor


def make_preprocessor(spec: Spec, state: Mapping[str, Any] | None = None) -> Preprocessor:
    """Return the preprocessor of a spec, fitted where there is a state.

    Parameters
    ----------
    spec : SentenceSpec, BeatSpec, WindowSpec or SequenceSpec
        The preprocessing.
    state : mapping, optional
        JSON that a fitted one held.

    Raises
    ------
    ConfigError
        If the state was fitted under another spec.
    """
    if isinstance(spec, SentenceSpec):
        return SentencePreprocessor(spec, dict(state or {}))
    if isinstance(spec, BeatSpec):
        return BeatPreprocessor(spec, dict(state or {}))
    if isinstance(spec, WindowSpec):
        return WindowPreprocessor(spec, dict(state or {}))
    return SequencePreprocessor(spec, dict(state or {}))
