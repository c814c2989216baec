"""The decision in a graph: beside the raw output, probabilities and the class, or the ends of an interval."""

import numpy as np

from biotl.deploy.decision import Classes, Decision, Value
from biotl.deploy.graph_nodes import FLOAT, INT64, Nodes

GIVES = PROBABILITY, ANSWER, LOW, HIGH = "probability", "answer", "low", "high"


def decided(
    nodes: Nodes, raw: str, decision: Decision, shape: list[int | str]
) -> list[tuple[str, int, list[int | str]]]:
    """Add what `biotl.deploy.decision` does.

    Parameters
    ----------
    nodes : Nodes
        What is added to.
    raw : str
        The model's output.
    decision : Classes, Value or Vector
        How it becomes an answer.
    shape : list of int or str
        Of ``raw``.

    Returns
    -------
    list of (str, int, list)
        Name, type and shape of each output that was added: ``probability`` float32 (..., classes) and ``answer`` int64
        (...), the index of the class, -1 where the raw output is not finite; or ``low`` and ``high`` of a value.
    """
    if isinstance(decision, Value) and decision.low is not None and decision.high is not None:
        ends = {LOW: decision.low, HIGH: decision.high}
        return [(nodes("Add", raw, end, name=name), FLOAT, shape) for name, end in ends.items()]
    if not isinstance(decision, Classes):
        return []
    width, classes = int(shape[-1]), len(decision.labels)
    nothing = nodes("MatMul", raw, np.zeros((width, 1)))  # NaN where the output is not finite, else 0
    logits = nodes("Div", raw, float(decision.calibration))
    if width == 1:
        logits = nodes("Concat", nodes("Mul", logits, 0.0), logits, axis=-1)
    likely = nodes("Add", nodes("Softmax", logits, axis=-1), nothing, name=PROBABILITY)
    share = nodes("Div", likely, np.array(decision.thresholds))
    best = nodes("ArgMax", share, axis=-1, keepdims=0)
    lost = nodes("IsNaN", nodes("Squeeze", nothing, [-1]))
    answer = nodes("Where", lost, np.array(-1), best, name=ANSWER)
    return [(likely, FLOAT, [*shape[:-1], classes]), (answer, INT64, shape[:-1])]
