"""Heart rate as the response of a body to effort: two responses in parallel, people's own gains, and what trees add."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from biotl.models.boosted_trees import BoostedTrees
from biotl.models.response_table import DEAD_S, MOST_EFFORT, NOISE, SPORTS, TABLE, TREE_COLUMNS

STEP_AXES = {0: "batch", 1: "steps"}
_ROWS = 4096


class HeartRateResponse(nn.Module):
    """A body's response to effort, which is fitted and not trained by gradient (`biotl.training.response`).

    The demand of speed and grade, over what is usual, drives two first-order responses in parallel (H. Wang and K. J.
    Hunt, "Identification of heart rate dynamics during treadmill exercise", 2021), the slow one by its square; the fast
    one falls slower than it rises, as the larger of two. Boosted trees add what the errors of a user's runs have in
    common. With a column of heart rate as it was before, a Kalman filter corrects level, gain and drift of the day.

    Parameters
    ----------
    channels : sequence of str
        Names of the columns of ``signal``, in order, in their own units.
    step_s : float
        Duration of a step.
    users : int
        How many are known.
    trees, nodes : int
        Of the ensemble, see `BoostedTrees`.
    before : str
        The column of heart rate as it was, or nothing.
    lag : int
        How many steps before.
    """

    inputs = ("signal", "user")
    output = "prediction"
    axes: ClassVar[dict[str, dict[int, str]]] = {"signal": STEP_AXES, "user": {0: "batch"}, "prediction": STEP_AXES}

    def __init__(
        self,
        channels: Sequence[str],
        step_s: float,
        *,
        users: int = 0,
        trees: int = 1,
        nodes: int = 1,
        before: str = "",
        lag: int = 1,
    ) -> None:
        super().__init__()
        self.channels, self.step_s, self.before, self.lag = tuple(channels), step_s, before, lag
        self.dead = round(DEAD_S / step_s)
        self.table = nn.Parameter(torch.ones((users + 1) * SPORTS, len(TABLE)), requires_grad=False)
        self.noise = nn.Parameter(torch.ones(len(NOISE)), requires_grad=False)
        self.trees = BoostedTrees(trees, nodes, len(TREE_COLUMNS), 1)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Return nothing: no stage trains it by gradient."""
        return {}

    def onnx(self) -> Any:
        """Return the model as an ``onnx.ModelProto``: its recursions are Scans."""
        from biotl.models.response_graph import graph

        return graph(self)

    def keep(self, seconds: Tensor) -> Tensor:
        """Return the share of a state that is left after a step, for time constants in seconds."""
        return torch.exp(-self.step_s / seconds)

    def forward(self, signal: Tensor, user: Tensor) -> dict[str, Tensor]:
        """Answer steps.

        Parameters
        ----------
        signal : Tensor of float32, shape (batch, steps, columns)
            0 where nothing was measured.
        user : Tensor of int64, shape (batch,)
            From 1, 0 for a stranger.

        Returns
        -------
        dict of str to Tensor
            ``prediction`` (batch, steps) in bpm.
        """
        # in double precision: the filter subtracts covariances that nearly agree
        column = dict(zip(self.channels, signal.double().unbind(2), strict=True))
        sport = column["sport"][:, 0].long().clamp(0, SPORTS - 1)
        row = self.table.double()[user * SPORTS + sport].T[..., None]
        level, gain, drift, daytime, trees, trust, usual = row[:7]
        usual = torch.where(usual > 0, usual, column["typical"][:, :1].clamp(min=0.5))
        effort = ((column["demand"] + trust * column["climb"]) / usual).clamp(0, MOST_EFFORT)
        effort = torch.cat([effort[:, :1].expand(-1, self.dead), effort], 1)[:, : effort.shape[1]]
        fast, slow = self._respond(effort, row[7:, :, 0])
        told = level + gain * fast + drift * slow + daytime * column["daytime"]
        told = told + trees * self._residual(signal)
        if self.before:
            told = told + self._corrected(column, user, told, fast, slow)
        return {"prediction": told.float()}

    def _respond(self, effort: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """Return fast and slow response of each step, 0 in the steady state at the usual demand."""
        keeps, states, found = self.keep(shape[:3]), [shape[3], shape[3], shape[4]], []
        for now in effort.unbind(1):
            goals = (now, now, now * now)
            states = [keep * state + (1 - keep) * goal for keep, state, goal in zip(keeps, states, goals, strict=True)]
            found.append((torch.maximum(states[0], states[1]) - 1, states[2] - 1))
        return torch.stack([one for one, _ in found], 1), torch.stack([one for _, one in found], 1)

    def _residual(self, signal: Tensor) -> Tensor:
        rows = signal[..., [self.channels.index(name) for name in TREE_COLUMNS]].flatten(0, 1)
        return (
            torch.cat([self.trees(part)["logits"] for part in torch.split(rows, _ROWS)])
            .reshape(signal.shape[:2])
            .double()
        )

    def _corrected(self, column: dict[str, Tensor], user: Tensor, told: Tensor, fast: Tensor, slow: Tensor) -> Tensor:
        """Return what a Kalman filter adds: level, gain and drift of the day, and an error that fades."""
        noise = self.noise.double()
        late, early, fade_s, memory_s, sensor, outlier = noise[6:]
        keep, one = self.keep(memory_s), torch.ones_like(fast)
        variance = late**2 + (early**2 - late**2) * torch.exp(-column["elapsed"] * 60 / fade_s)
        read = torch.stack([one, fast, slow, one], 2)
        give = torch.stack([one, fast, slow, one * keep**self.lag], 2)
        read, ago = (torch.cat([x[:, :1].expand(-1, self.lag, *x.shape[2:]), x], 1) for x in (read, told))
        prior = torch.where((user > 0)[:, None], noise[3:6], noise[:3])
        mean = torch.zeros(len(fast), 4, dtype=torch.float64)
        spread = torch.diag_embed(torch.cat([prior, variance[:, :1].sqrt()], 1) ** 2)
        decay = torch.stack([one[0, 0], one[0, 0], one[0, 0], keep])
        last = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64)
        found = []
        for t, value in enumerate(column[self.before].unbind(1)):
            h = read[:, t]
            mean = mean * decay
            fresh = (variance[:, t] * (1 - keep**2))[:, None, None] * torch.diag(last)
            spread = spread * torch.outer(decay, decay) + fresh
            seen = (spread @ h[..., None])[..., 0]
            total = (h * seen).sum(1) + sensor**2
            apart = value - ago[:, t] - (h * mean).sum(1)
            # a dry strap counts steps, not beats: what is far off is believed in part
            weight = (outlier * total.sqrt() / apart.abs().clamp(min=1e-6)).clamp(max=1)
            pull = seen / total[:, None] * (value > 0)[:, None]
            mean = mean + pull * (apart * weight)[:, None]
            spread = spread - pull[:, :, None] * seen[:, None, :]
            found.append((give[:, t] * mean).sum(1))
        return torch.stack(found, 1)
