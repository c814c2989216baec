"""ECGBERT in the form that its public weights have."""

from torch import Tensor, nn
from torch.nn.functional import pad

from biotl.datasets.vocabulary import TOKENS
from biotl.errors import ConfigError
from biotl.models.ecgbert import TOKEN_AXES, sinusoid


class DocumentedECGBert(nn.Module):
    """The importable form: 65,387 parameters and 115,524 buffers under the names of the public checkpoint.

    It keeps what the weights were made with: the token counted twice in the embedding, a UNet over the series of
    segment means, positions in a buffer of 3,600. Only the padding mask is put right.

    Parameters
    ----------
    classes : int
        Width of the documented head, 32 to 75 to ``classes``; 0 leaves it out and the state dict as published.
    """

    inputs = ("tokens", "patches", "mask")
    output = "logits"
    axes = dict.fromkeys((*inputs, "logits", "embedding"), TOKEN_AXES)
    dim, length = 32, 3600

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(TOKENS, self.dim)
        self.positional_embedding = Positions(self.length, self.dim)
        self.cnn_embedding = UNetEmbedding(self.dim)
        layer = nn.TransformerEncoderLayer(self.dim, 8, 64, 0.1, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.fc = nn.Linear(self.dim, TOKENS)
        self.head: nn.Sequential | None = None
        if classes:
            self.add_head(classes)

    def add_head(self, classes: int) -> None:
        """Put the documented head on: two linear layers with nothing between."""
        self.head = nn.Sequential(nn.Linear(self.dim, TOKENS), nn.Linear(TOKENS, classes))

    def forward(self, tokens: Tensor, patches: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Read sentences; shapes as in `ECGBert.forward`."""
        if tokens.shape[1] > self.length:
            raise ConfigError(f"sentence: got {tokens.shape[1]} tokens, wanted at most {self.length}")
        token = self.token_embedding(tokens)
        wave = self.cnn_embedding(patches[:, :, 0].mean(-1))
        x = token + self.positional_embedding(token) + wave
        x = self.transformer(x, src_key_padding_mask=~mask)
        out = {"mlm_logits": self.fc(x), "embedding": x}
        return out if self.head is None else {**out, "logits": self.head(x)}

    def groups(self) -> dict[str, list[nn.Module]]:
        """Return what a stage can train by name: ``embedding``, ``encoder``, ``mlm``, ``head``."""
        head: list[nn.Module] = [] if self.head is None else [self.head]
        embedding: list[nn.Module] = [self.token_embedding, self.cnn_embedding]
        return {"embedding": embedding, "encoder": [self.transformer], "mlm": [self.fc], "head": head}


class Positions(nn.Module):
    """Add sinusoidal positions, kept in a buffer ``pe`` of shape (length, 1, dim)."""

    pe: Tensor

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("pe", sinusoid(length, dim).unsqueeze(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``, shape (batch, length, dim), with its positions."""
        return x + self.pe[: x.shape[1], 0]


class UNetEmbedding(nn.Module):
    """The documented UNet: a series (batch, length) to (batch, length, dim)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        wide = 2 * dim

        def stage(conv: nn.Module, channels: int) -> nn.Sequential:
            return nn.Sequential(conv, nn.BatchNorm1d(channels), nn.ReLU())

        self.encoder1 = stage(nn.Conv1d(1, dim, 7, stride=2, padding=3), dim)
        self.encoder2 = stage(nn.Conv1d(dim, wide, 5, stride=2, padding=2), wide)
        self.decoder1 = stage(nn.ConvTranspose1d(wide, dim, 4, stride=2, padding=1), dim)
        self.decoder2 = stage(nn.ConvTranspose1d(dim, dim, 4, stride=2, padding=1), dim)
        self.final_conv = nn.Conv1d(dim, dim, 3, padding=1)

    def forward(self, series: Tensor) -> Tensor:
        """Embed a series; a length that four does not divide is padded with zeros and cut again."""
        length = series.shape[1]
        x = pad(series, (0, -length % 4)).unsqueeze(1)
        shallow = self.encoder1(x)
        x = self.decoder1(self.encoder2(shallow)) + shallow
        return self.final_conv(self.decoder2(x)).transpose(1, 2)[:, :length]  # type: ignore[no-any-return]
