"""Recursive filters in a graph, exactly: blocks of samples by matrix products, their states by one convolution.

A recursive filter goes sample by sample, which a graph could only do by a loop, 100 times too slow. In state space,
``z' = A z + B x`` and ``y = C z + D x``, a block of M samples needs only the state at its beginning: what the block
adds to the state is a matrix product of its samples, the states of all blocks are a convolution of these along the
blocks, with powers of ``A^M`` as its taps, and the output is a product of samples and state. Nothing is approximated
but that taps below 1e-9 are left away. The realisation decides what float32 makes of it: the modes, which are
exact, and then balanced.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from biotl.deploy.graph_nodes import FIRST, LAST, Nodes

Floats = NDArray[np.float64]
How = Literal["zero phase", "rest", "steady"]
BLOCK = 128  # samples; products grow with it, and states become fewer
LONGEST = 1024
SMALL = 1e-9
"""Taps below it are left away, far below what float32 resolves beside 1."""
MOST_GAIN = 1e5
"""Of the modes over the output: beyond it two poles are nearly one, and double precision loses the difference."""


@dataclass(frozen=True)
class Realised:
    """One filter as ``z' = A z + B x``, ``y = C z + D x``."""

    A: Floats
    B: Floats
    C: Floats
    D: float


def realise(sos: Floats) -> list[Realised]:
    """Return filters that do in turn what sections do: all at once, or one section after the other.

    Parameters
    ----------
    sos : ndarray of float64, shape (sections, 6)
        As SciPy writes them.

    Examples
    --------
    >>> [len(one.A) for one in realise(np.array([[1.0, 0, 0, 1, -0.5, 0.06]]))]
    [2]
    """
    whole, gain = _modal(sos)
    if whole is not None and gain <= MOST_GAIN:
        return [_balanced(whole)]
    return [_balanced(_chained(one)) for one in sos]


def _balanced(one: Realised) -> Realised:
    """Return the same filter with states of which each is driven as hard as it is heard.

    Of all realisations it lets nearly the least rounding through (C. T. Mullis and R. A. Roberts, "Synthesis of minimum
    roundoff noise fixed point digital filters", IEEE Trans. Circuits Syst. 23, 1976): in real modal form a steep
    band-pass of order 8 loses 7e-6 where this loses 2e-7, since its modes cancel each other.
    """
    driven, heard = _root(_gramian(one.A, one.B)), _root(_gramian(one.A.T, one.C))
    left, size, right = np.linalg.svd(heard.T @ driven)
    scale = np.sqrt(np.maximum(size, size.max() * 1e-14)) if size.max() else np.ones_like(size)
    out, into = driven @ right.T / scale, (left / scale).T @ heard.T
    return Realised(into @ one.A @ out, into @ one.B, one.C @ out, one.D) if size.max() else one


def _gramian(a: Floats, b: Floats) -> Floats:
    """Return the sum of ``A^k b b' A^k'`` over all k, by doubling."""
    total = np.outer(b, b)
    for _ in range(64):
        total = total + a @ total @ a.T
        a = a @ a
        if np.abs(a).max() < SMALL:
            break
    return total


def _root(of: Floats) -> Floats:
    values, vectors = np.linalg.eigh((of + of.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def _modal(sos: Floats) -> tuple[Realised | None, float]:
    """Return sections by their modes, None where two are one; and by how much errors in them can outgrow the output."""
    poles = [np.roots(one[3:]) for one in sos]
    blocks, b, c, gain = [], [], [], 0.0
    for k, pair in enumerate(poles):
        for pole, other in (pair, pair[::-1]):
            if pole == other:
                return None, np.inf
            residue = np.polyval(sos[k, :3], pole) / (pole - other)
            rest = [j for j in range(len(sos)) if j != k]
            below = np.array([np.polyval(sos[j, 3:], pole) for j in rest])
            if (below == 0).any():
                return None, np.inf
            residue *= np.prod([np.polyval(sos[j, :3], pole) for j in rest] / below) if rest else 1
            gain += abs(residue) / max(1 - abs(pole), 1e-12)
            if pole.imag < 0:
                continue
            size = np.sqrt(abs(residue) * (2 if pole.imag else 1))
            back = (2 if pole.imag else 1) * residue / size if size else 0j
            if pole.imag:
                blocks.append(np.array([[pole.real, -pole.imag], [pole.imag, pole.real]]))
                b += [size, 0.0]
                c += [back.real, -back.imag]
            else:
                blocks.append(np.array([[pole.real]]))
                b.append(size)
                c.append(back.real)
    a = np.zeros((len(b), len(b)))
    at = 0
    for block in blocks:
        a[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return Realised(a, np.array(b), np.array(c), float(np.prod(sos[:, 0]))), gain


def _chained(section: Floats) -> Realised:
    """Return a section whose two poles are equal, or nearly: the second state is driven by the first."""
    (b0, b1, b2), (_, a1, a2) = section[:3], section[3:]
    middle, apart = -a1 / 2, a1 * a1 / 4 - a2  # poles at middle +- sqrt(apart)
    step = max(1 - abs(middle), 1e-6)  # from one state to the other, so that both are of one size
    m, n = b1 - a1 * b0, b2 - a2 * b0 + (b1 - a1 * b0) * middle
    size = np.sqrt(abs(m) + abs(n) / step) or 1.0
    a = np.array([[middle, apart / step], [step, middle]])
    return Realised(a, np.array([size, 0]), np.array([m / size, n / (size * step)]), float(b0))


def filtered(nodes: Nodes, x: str, level: str, sos: Floats, how: How) -> tuple[str, str]:
    """Add what `biotl.signal` does with sections, or a pass that needs nothing of what is to come.

    Parameters
    ----------
    nodes : Nodes
        What is added to.
    x : str
        A value of shape (rows, samples), less its level.
    level : str
        A value of shape (rows, 1) that is to be thought added to ``x``: a constant large beside the signal would take
        its digits. Empty for 0.
    sos : ndarray of float64, shape (sections, 6)
        As SciPy writes them.
    how : str
        ``zero phase``: forward and backward, the ends extended oddly; ``rest``: once, forward, from rest, as the
        option ``causal`` of a filter asks for; ``steady``: once, forward, as if the first sample had gone on for ever
        before.

    Returns
    -------
    str, str
        The filtered signal, and its level.
    """
    filters = realise(sos)
    if how == "rest":
        return _run(nodes, nodes("Add", x, level) if level else x, filters), ""
    steady = float(np.prod(sos[:, :3].sum(1) / sos[:, 3:].sum(1)))
    if how == "steady":
        return _pass(nodes, x, level, filters, steady)
    edge = padding(sos)
    first, last = nodes.cut(x, 0, 1), nodes.cut(x, -1, LAST)
    before, after = nodes.cut(x, edge, 0, step=-1), nodes.cut(x, -2, -edge - 2, step=-1)
    twice = [nodes("Sub", nodes("Mul", end, 2.0), of) for end, of in ((first, before), (last, after))]
    y = nodes("Concat", twice[0], x, twice[1], axis=1)
    for _ in range(2):
        y, level = _pass(nodes, y, level, filters, steady)
        y = nodes.cut(y, -1, FIRST, step=-1)
    return nodes.cut(y, edge, -edge), level


def _pass(nodes: Nodes, x: str, level: str, filters: Sequence[Realised], steady: float) -> tuple[str, str]:
    """Add one pass from the steady state of the first sample, as a filter at rest on what differs from that."""
    start = nodes.cut(x, 0, 1)
    y = _run(nodes, nodes("Sub", x, start), filters)
    level = nodes("Add", level, start) if level else start
    return y, nodes("Mul", level, steady) if abs(steady) > SMALL else ""


def padding(sos: Floats) -> int:
    """Return how far `scipy.signal.sosfiltfilt` extends a signal, in samples."""
    return 3 * (2 * len(sos) + 1 - min(int((sos[:, 2] == 0).sum()), int((sos[:, 5] == 0).sum())))


def _run(nodes: Nodes, x: str, filters: Sequence[Realised]) -> str:
    """Add one pass from rest over (rows, samples)."""
    samples = nodes.size(x)
    for one in filters:
        block = BLOCK
        while block < LONGEST and _settled(one.A, block) > block:
            block *= 2
        x = _blocks(nodes, x, one, block)
    return nodes.cut(x, 0, samples)


def _blocks(nodes: Nodes, x: str, one: Realised, block: int) -> str:
    """Add one filter from rest; what it returns is longer by less than a block."""
    taps = _settled(one.A, block)
    into, out, along = _matrices(one, block, taps)
    short = nodes("Mod", nodes("Sub", [0], nodes.size(x)), [block])
    rows = nodes("Pad", x, nodes("Concat", [0, 0, 0], short, axis=0))
    cut = nodes("Reshape", rows, [0, -1, block])
    added = nodes("Transpose", nodes("MatMul", cut, into), perm=[0, 2, 1])
    states = nodes("Conv", added, along, pads=[taps, 0])  # one more than there are blocks: what comes after the last
    states = nodes("Transpose", nodes.cut(states, 0, -1, axis=2), perm=[0, 2, 1])
    y = nodes("MatMul", nodes("Concat", cut, states, axis=2), out)
    return nodes("Reshape", y, [0, -1])


def _matrices(one: Realised, block: int, taps: int) -> tuple[Floats, Floats, Floats]:
    """Return what maps a block to what it adds to the state, samples and state to output, and states along blocks."""
    a = _powers(one.A, block + 1)
    impulse = np.array([one.D, *(one.C @ power @ one.B for power in a[: block - 1])])
    into = np.array([a[block - 1 - j] @ one.B for j in range(block)])
    spread = np.array([np.append(np.zeros(j), impulse[: block - j]) for j in range(block)])
    out = np.concatenate([spread, np.array([one.C @ power for power in a[:block]]).T])
    return into, out, np.array(_powers(a[block], taps)[::-1]).transpose(1, 2, 0)


def _powers(a: Floats, count: int) -> list[Floats]:
    powers = [np.eye(len(a))]
    for _ in range(count - 1):
        powers.append(powers[-1] @ a)
    return powers


def _settled(a: Floats, block: int) -> int:
    """Return after how many blocks nothing is left of a state."""
    step = np.linalg.matrix_power(a, block)
    power, count = step, 1
    while np.abs(power).max() > SMALL:
        power, count = power @ step, count + 1
    return count


def settle(sos: Floats) -> int:
    """Return after how many samples nothing is left of one."""
    return max(_settled(one.A, BLOCK) * BLOCK for one in realise(sos))
