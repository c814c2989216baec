"""Losses by name: each is the mean over the terms that count, in float32, and says how many terms that is.

A loss is called with the model's outputs and the batch and returns a scalar. ``count(batch)``, where a loss has it,
tells the trainer what its mean is taken over, so that accumulated parts and processes add up to the mean over the whole
batch; without it, samples count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from biotl.config import Registry
from biotl.errors import ConfigError

Tensors = dict[str, Tensor]
Loss = Callable[[Tensors, Tensors], Tensor]
LOSSES: Registry[Loss] = Registry("loss")


def count(loss: Loss, batch: Tensors) -> Tensor:
    """Return over how many terms a loss takes its mean in this batch."""
    if hasattr(loss, "count"):
        return torch.as_tensor(loss.count(batch), dtype=torch.float64)
    return torch.tensor(len(next(iter(batch.values()))), dtype=torch.float64)


def _mean(terms: Tensor, total: Tensor) -> Tensor:
    return terms.sum() / total.to(terms.dtype).clamp_min(torch.finfo(torch.float32).tiny)


@dataclass(frozen=True)
class _Classification:
    """Logits (..., classes) and integer labels (...); a negative label does not count."""

    output: str = "logits"
    target: str = "labels"

    def flat(self, outputs: Tensors, batch: Tensors) -> tuple[Tensor, Tensor]:
        """Return float32 logits (n, classes) and labels (n,)."""
        logits = outputs[self.output].float()
        return logits.reshape(-1, logits.shape[-1]), batch[self.target].reshape(-1).long()

    def count(self, batch: Tensors) -> Tensor:
        """Return what the mean is taken over."""
        return (batch[self.target] >= 0).sum()


@LOSSES.register("cross_entropy")
@dataclass(frozen=True)
class CrossEntropy(_Classification):
    """Cross-entropy, with a weight per class (the mean is then over the weights) and label smoothing.

    ``by`` names a field of the batch that holds a weight for each label; of these the mean is not over the weights, so
    that a batch of usual labels counts less.
    """

    weight: Sequence[float] | None = None
    smoothing: float = 0.0
    by: str = ""

    def __call__(self, outputs: Tensors, batch: Tensors) -> Tensor:
        """Return the mean."""
        logits, labels = self.flat(outputs, batch)
        weight = None if self.weight is None else torch.tensor(self.weight, device=logits.device)
        labels = labels.where(labels >= 0, -100)
        terms = cross_entropy(logits, labels, weight, reduction="none", label_smoothing=self.smoothing)
        if self.by:
            terms = terms * batch[self.by].reshape(-1)
        return _mean(terms, self.count(batch))

    def count(self, batch: Tensors) -> Tensor:
        """Return what the mean is taken over."""
        labels = batch[self.target]
        if self.weight is None:
            return (labels >= 0).sum()
        weight = torch.tensor(self.weight, device=labels.device)
        return (weight[labels.clamp_min(0).long()] * (labels >= 0)).sum()


@LOSSES.register("bce")
@dataclass(frozen=True)
class BinaryCrossEntropy(_Classification):
    """Binary cross-entropy of logits (...) or (..., 1) against labels 0 and 1 (...); negative labels do not count.

    `positive_weight` multiplies the part of the loss that a label 1 asks for; a sequence has a weight for each row of
    labels (..., rows, steps), so that what is rare, such as an ectopic beat, is learnt beside what is not.
    """

    positive_weight: float | Sequence[float] = 1.0

    def __call__(self, outputs: Tensors, batch: Tensors) -> Tensor:
        """Return the mean."""
        labels = batch[self.target]
        logits = outputs[self.output].float().reshape(labels.shape)
        weight = torch.tensor(self.positive_weight, device=logits.device)
        if weight.ndim and labels.shape[-2:-1] != weight.shape:
            raise ConfigError(f"loss bce: {len(weight)} positive weights for labels of shape {tuple(labels.shape)}")
        weight = weight[:, None] if weight.ndim else weight
        terms = binary_cross_entropy_with_logits(
            logits, labels.clamp_min(0).float(), reduction="none", pos_weight=weight
        )
        return _mean(terms.where(labels >= 0, 0.0), self.count(batch))


@LOSSES.register("distribution")
@dataclass(frozen=True)
class Distribution:
    """Cross-entropy of logits (batch, bins) against a distribution of that shape, where `mask` (batch, 1) is set."""

    output: str = "rate"
    target: str = "rate"
    mask: str = "rate_known"

    def __call__(self, outputs: Tensors, batch: Tensors) -> Tensor:
        """Return the mean."""
        terms = cross_entropy(outputs[self.output].float(), batch[self.target].float(), reduction="none")
        return _mean(terms.where(batch[self.mask].bool()[:, 0], 0.0), self.count(batch))

    def count(self, batch: Tensors) -> Tensor:
        """Return what the mean is taken over."""
        return batch[self.mask].sum()


@LOSSES.register("focal")
@dataclass(frozen=True)
class Focal(_Classification):
    """Focal loss (Lin et al. 2017), mean over the labels that count; at gamma 0 without alpha it is cross-entropy.

    `alpha` is a weight per class, or for two classes the weight of class 1 (class 0 then weighs 1 - alpha). Unlike
    class weights in cross-entropy it does not divide the mean: a single sample keeps its alpha, as in the paper.
    """

    gamma: float = 2.0
    alpha: float | Sequence[float] | None = None

    def __call__(self, outputs: Tensors, batch: Tensors) -> Tensor:
        """Return the mean."""
        logits, labels = self.flat(outputs, batch)
        chosen = labels.clamp_min(0)
        log_p = logits.log_softmax(-1).gather(-1, chosen[:, None])[:, 0]
        # not 0: the derivative of 0 ** gamma is infinite for gamma below 1, and infinity times 0 is not a number
        miss = (-torch.expm1(log_p)).clamp_min(torch.finfo(torch.float32).tiny)
        terms = -log_p if self.gamma == 0 else -log_p * miss**self.gamma
        if self.alpha is not None:
            alpha = (1 - self.alpha, self.alpha) if isinstance(self.alpha, float | int) else self.alpha
            terms = terms * torch.tensor(alpha, device=terms.device)[chosen]
        return _mean(terms.where(labels >= 0, 0.0), self.count(batch))


@dataclass(frozen=True)
class _Masked:
    """A prediction against a target of the same shape; where `mask` (that broadcasts to it) is 0 nothing counts."""

    output: str = "prediction"
    target: str = "target"
    mask: str | None = "mask"

    def __call__(self, outputs: Tensors, batch: Tensors) -> Tensor:
        """Return the mean."""
        prediction, target = outputs[self.output].float(), self.goal(batch)
        if prediction.shape != target.shape:
            raise ConfigError(
                f"loss: {self.output} is {tuple(prediction.shape)} and {self.target} {tuple(target.shape)}"
            )
        # where, not times: what stands in the padding may be NaN
        difference = (prediction - target).where(self.valid(batch), 0.0)
        return _mean(self.term(difference), self.count(batch))

    def goal(self, batch: Tensors) -> Tensor:
        """Return what is to be predicted."""
        return batch[self.target].float()

    def term(self, difference: Tensor) -> Tensor:
        """Return the error of each element."""
        return difference**2

    def valid(self, batch: Tensors) -> Tensor:
        """Return which elements count."""
        target = batch[self.target]
        if self.mask is None:
            return torch.ones_like(target, dtype=torch.bool)
        mask = batch[self.mask]
        if mask.ndim != target.ndim:  # (batch, steps) would pass for (channels, steps)
            raise ConfigError(
                f"loss: {self.mask} is {tuple(mask.shape)} and {self.target} {tuple(target.shape)}; give each axis"
            )
        return mask.bool().expand_as(target)

    def count(self, batch: Tensors) -> Tensor:
        """Return what the mean is taken over."""
        return self.valid(batch).sum()


@LOSSES.register("masked_mse")
class MaskedMSE(_Masked):
    """Mean squared error over the valid steps."""


@LOSSES.register("masked_mae")
class MaskedMAE(_Masked):
    """Mean absolute error over the valid steps."""

    def term(self, difference: Tensor) -> Tensor:
        """Return the error of each element."""
        return difference.abs()


@LOSSES.register("masked_reconstruction")
@dataclass(frozen=True)
class MaskedReconstruction(_Masked):
    """Mean squared error over the masked samples of a signal; `normalize` takes its windows to mean 0, deviation 1."""

    output: str = "reconstruction"
    target: str = "signal"
    normalize: bool = False

    def goal(self, batch: Tensors) -> Tensor:
        """Return what is to be predicted."""
        signal = batch[self.target].float()
        if not self.normalize:
            return signal
        variance, mean = torch.var_mean(signal, dim=-1, keepdim=True, correction=0)
        return (signal - mean) / (variance + 1e-6).sqrt()


@LOSSES.register("stft")
@dataclass(frozen=True)
class MultiResolutionSTFT:
    """L1 distance of log magnitudes of the short-time Fourier transform, mean over several window sizes.

    `sizes` are window lengths in samples, by default the three largest powers of two of at most half the signal (Hann
    window, hop a quarter); a size beyond the signal is refused. The logarithm is of |X| + 1e-3 of the largest magnitude
    of the sample's target, so that empty bins do not rule, and its gradient is finite on silence.
    """

    output: str = "reconstruction"
    target: str = "signal"
    sizes: Sequence[int] | None = None

    def __call__(self, outputs: Tensors, batch: Tensors) -> Tensor:
        """Return the mean."""
        prediction, target = outputs[self.output].float(), batch[self.target].float()
        length = target.shape[-1]
        largest = 1 << ((length // 2).bit_length() - 1)
        sizes = self.sizes or [size for size in (largest // 4, largest // 2, largest) if size >= 4]
        if not sizes or max(sizes) > length or min(sizes) < 4:
            raise ConfigError(
                f"loss stft: windows of {list(sizes)} samples do not fit a signal of {length}, or are not 4"
            )
        with torch.autocast(prediction.device.type, enabled=False):
            return torch.stack([self.distance(prediction, target, size) for size in sizes]).mean()

    def distance(self, prediction: Tensor, target: Tensor, size: int) -> Tensor:
        """Return the distance at one window size."""
        window = torch.hann_window(size, device=target.device)
        magnitudes = []
        for signal in (prediction, target):
            x = torch.stft(
                signal.reshape(-1, signal.shape[-1]), size, size // 4, window=window, center=False, return_complex=True
            )
            # the square root of a number that is never 0: |X| itself has no derivative on silence
            magnitudes.append((x.real**2 + x.imag**2 + 1e-12).sqrt().reshape(len(signal), -1))
        # of each sample: of the whole batch it would be another in every part and process
        floor = 1e-3 * magnitudes[1].detach().amax(1, keepdim=True) + 1e-6
        return ((magnitudes[0] + floor).log() - (magnitudes[1] + floor).log()).abs().mean()
