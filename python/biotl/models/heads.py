"""What stands on an encoder."""

from torch import Tensor, nn

from biotl.datasets.vocabulary import TOKENS


class TokenHead(nn.Module):
    """Logits over the 75 tokens for masked-token pretraining."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.Linear(dim, TOKENS)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, length, dim) to (batch, length, 75)."""
        return self.net(x)  # type: ignore[no-any-return]


class BeatHead(nn.Module):
    """Logits of a beat's class from its QRS token."""

    def __init__(self, dim: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, length, dim) to (batch, length, classes)."""
        return self.net(x)  # type: ignore[no-any-return]
