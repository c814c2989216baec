"""What a model file says of itself beside its bundle: each thing under a key of its own, for readers without biotl."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from biotl.deploy.bundle import Bundle
from biotl.deploy.decision import Classes, Value

PREFIX = "io.biotl."
BUNDLE = f"{PREFIX}bundle"
DECISION = "decision"
"""What the names of the nodes begin with that make a decision of a raw output."""
NOTE = "Research software, not a medical device."


def entries(
    bundle: Bundle, *, preprocess: str, unit: str, inputs: Sequence[Mapping[str, Any]], **more: Any
) -> dict[str, str]:
    """Return the metadata of a model file, text by key, in the order of the keys.

    Parameters
    ----------
    bundle : Bundle
        What biotl itself reads, whole under ``io.biotl.bundle``.
    preprocess : str
        ``spec``: the inputs are what `Preprocessor.inputs` gives; ``graph``: they are raw samples.
    unit : str
        ``beat``, ``window`` or ``step``: what gets an answer.
    inputs : sequence of mapping
        Name of each, and what it holds: channel, unit, rate.
    **more
        Further keys.

    Examples
    --------
    >>> from biotl.deploy.bundle import About, Model
    >>> bundle = Bundle(spec={"fs": 100}, decision=Classes(labels=("N", "V")), about=About(model=Model(name="m")))
    >>> entries(bundle, preprocess="spec", unit="window", inputs=[])["io.biotl.labels"]
    '["N","V"]'
    """
    decision, about = bundle.decision, bundle.about
    tree: dict[str, Any] = {
        "preprocess": preprocess,
        "unit": unit,
        "inputs": list(inputs),
        "spec": bundle.spec,
        "digest": bundle.digest(),
        "licence": about.licence,
        "lineage": list(about.lineage),
        "recipe": about.recipe,
        "note": NOTE,
        **more,
    }
    if isinstance(decision, Classes):
        tree |= {"labels": decision.labels, "thresholds": decision.thresholds, "calibration": decision.calibration}
        tree |= {} if decision.prevalence is None else {"prevalence": decision.prevalence.model_dump()}
    if isinstance(decision, Value):
        tree |= {"value": decision.name, "value_unit": decision.unit, "interval": [decision.low, decision.high]}
    said = {f"{PREFIX}{key}": value if isinstance(value, str) else _text(value) for key, value in tree.items()}
    return dict(sorted((said | {BUNDLE: bundle.to_json()}).items()))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
