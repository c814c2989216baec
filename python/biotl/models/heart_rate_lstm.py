"""A recurrent network over steps of movement that answers each with a heart rate."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from biotl.errors import ConfigError

STEP_AXES = {0: "batch", 1: "steps"}


class HeartRateLSTM(nn.Module):
    """Two recurrent layers and a linear head: by default the documented 51,009 parameters.

    Parameters
    ----------
    channels : sequence of str
        Names of the features, in order.
    hidden, layers : int
        Width and depth.
    cell : {"lstm", "gru"}
        Kind of layer.
    bidirectional : bool
        Read backwards as well, from the last valid step: it answers a step by what comes after it too.
    dropout : float
        Between the layers.
    mean : float
        Mean of the training targets, where the head begins: from 0 it takes epochs to learn it.

    Examples
    --------
    >>> sum(p.numel() for p in HeartRateLSTM().parameters())
    51009
    """

    inputs: tuple[str, ...] = ("signal",)
    output = "prediction"
    axes: ClassVar[dict[str, dict[int, str]]] = dict.fromkeys(("signal", "valid", "prediction", "embedding"), STEP_AXES)

    def __init__(
        self,
        channels: Sequence[str] = ("speed", "altitude", "grade"),
        hidden: int = 64,
        layers: int = 2,
        *,
        cell: Literal["lstm", "gru"] = "lstm",
        bidirectional: bool = False,
        dropout: float = 0.2,
        mean: float = 0.0,
    ) -> None:
        super().__init__()
        kinds: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU}
        if cell not in kinds:
            raise ConfigError(f"model.cell: got {cell!r}, wanted lstm or gru")
        self.channels = tuple(channels)
        self.inputs = ("signal", "valid") if bidirectional else ("signal",)
        self.lstm = kinds[cell](
            len(self.channels), hidden, layers, batch_first=True, dropout=dropout, bidirectional=bidirectional
        )
        self.fc = nn.Linear(hidden * (1 + bidirectional), 1)
        nn.init.constant_(self.fc.bias, mean)
        self.by_channel = {name: 1 for name, _ in self.named_parameters() if name.startswith("lstm.weight_ih_l0")}

    def groups(self) -> dict[str, list[Any]]:
        """Return what a stage can train by name: ``layer0``, ``layer1`` and so on, ``head``."""
        named = dict(self.lstm.named_parameters())
        layers = {
            f"layer{k}": [p for name, p in named.items() if name.endswith((f"_l{k}", f"_l{k}_reverse"))]
            for k in range(self.lstm.num_layers)
        }
        return {**layers, "head": [self.fc]}

    def freeze_layers(self, layers: Sequence[int]) -> None:
        """Leave recurrent layers as they are, as a stage does with what it does not train."""
        for k in layers:
            for parameter in self.groups()[f"layer{k}"]:
                parameter.requires_grad_(requires_grad=False)

    def unfreeze_all_layers(self) -> None:
        """Let everything train."""
        self.requires_grad_(requires_grad=True)

    def print_parameter_status(self) -> None:
        """Print what trains, parameter by parameter, and how many numbers that is."""
        for name, parameter in self.named_parameters():
            print(f"{name} {tuple(parameter.shape)}: {'trains' if parameter.requires_grad else 'frozen'}")
        counts = [sum(p.numel() for p in self.parameters() if p.requires_grad or not only) for only in (True, False)]
        print(f"{counts[0]:,} of {counts[1]:,} parameters train")

    def forward(self, signal: Tensor, valid: Tensor | None = None) -> dict[str, Tensor]:
        """Read sequences.

        Parameters
        ----------
        signal : Tensor of float32, shape (batch, steps, channels)
            Normalised features; what stands in the padding at the end changes no answer to a valid step.
        valid : Tensor of bool, shape (batch, steps)
            False in the padding; read where it is bidirectional, and by default True.

        Returns
        -------
        dict of str to Tensor
            ``prediction`` (batch, steps) in the unit of the target; ``embedding`` (batch, steps, hidden).
        """
        x = self._both_ways(signal, valid) if self.lstm.bidirectional else self.lstm(signal)[0]
        return {"prediction": torch.squeeze(self.fc(x), 2), "embedding": x}

    def _both_ways(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Return what packed sequences give, by operators that ONNX has: each turned round within its own length."""
        place = torch.arange(x.shape[1], device=x.device)
        length = (torch.ones_like(x[:, :, 0]) if valid is None else valid).sum(1, keepdim=True).long()
        turned = torch.where(place < length, length - 1 - place, place)
        run: Any = torch.lstm if isinstance(self.lstm, nn.LSTM) else torch.gru

        def read(x: Tensor, layer: str) -> Tensor:
            weights = [
                getattr(self.lstm, f"{name}_{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            zero = x.new_zeros(1, x.shape[0], self.lstm.hidden_size)
            start = (zero, zero) if run is torch.lstm else zero
            # biases, layers, dropout, training, bidirectional, batch first: torch gives them no names
            options = (True, 1, 0.0, self.training, False, True)
            found: Tensor = run(x, start, weights, *options)[0]
            return found

        def turn(x: Tensor) -> Tensor:
            return x.gather(1, turned[:, :, None].expand(-1, -1, x.shape[2]))

        for k in range(self.lstm.num_layers):
            if k:
                x = nn.functional.dropout(x, self.lstm.dropout, self.training)
            x = torch.cat([read(x, f"l{k}"), turn(read(turn(x), f"l{k}_reverse"))], 2)
        return x
