"""The steps of a training, whatever is trained: gradients, the schedule of the rate, checkpoints, progress."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import LmpmError
from lmpm.tuner.extra import require
from lmpm.tuner.training.interrupt import between_steps

if TYPE_CHECKING:
    from lmpm.tuner.training.batches import Batches
    from lmpm.tuner.training.checkpoint import Checkpoint
    from lmpm.tuner.training.encoding import Encoded

WARMUP_SHARE: Final = 0.05  # of the steps
DECAY_SHARE: Final = 0.95  # of the steps, in which the rate falls linearly to zero
CLIP: Final = 1.0  # the longest gradient
SAVE_S: Final = 150.0
REPORT_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is. `loss` is the mean of the last steps, a learnt token; times are seconds."""

    step: int
    steps: int
    loss: float
    tokens_s: float
    left_s: float


class Watcher:
    """Told how far a run is. Every method does nothing here."""

    def resumed(self, step: int, steps: int) -> None:
        """Called where a run goes on after so many steps."""

    def advanced(self, progress: Progress) -> None:
        """Called every few seconds, and after the last step."""


@dataclass(frozen=True, eq=False)
class Learner:
    """What is trained: a model of transformers, and the weights of it that change, with the optimizer for them."""

    model: Any
    optimizer: Any
    device: str

    def trained(self) -> dict[str, Any]:
        """The weights that change, by name, on the CPU."""
        return {name: weight.detach().cpu() for name, weight in self.model.named_parameters() if weight.requires_grad}

    def restore(self, weights: dict[str, Any], optimizer: dict[str, Any]) -> None:
        """Go back to what was kept."""
        torch = require("torch")
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                if weight.requires_grad:
                    weight.copy_(weights[name])
        self.optimizer.load_state_dict(optimizer)

    def loss(self, batch: list[Encoded]) -> tuple[Any, int]:
        """The mean loss of a learnt token, and how many tokens were read. Logits are made where something is learnt."""
        torch = require("torch")
        longest = max(len(example.ids) for example in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        real = torch.zeros(len(batch), longest, dtype=torch.long)
        learnt = torch.zeros(len(batch), longest, dtype=torch.bool)
        for row, example in enumerate(batch):
            end = len(example.ids)
            ids[row, :end] = torch.tensor(example.ids)
            real[row, :end] = 1
            learnt[row, example.begin - 1 : end - 1] = True  # each of these places foretells the next token
        ids, real, learnt = ids.to(self.device), real.to(self.device), learnt.to(self.device)
        states = self.model.get_decoder()(input_ids=ids, attention_mask=real, use_cache=False).last_hidden_state
        logits = self.model.get_output_embeddings()(states[learnt]).float()
        targets = ids.roll(-1, dims=1)[learnt]
        return torch.nn.functional.cross_entropy(logits, targets), int(real.sum())


def rate_at(step: int, steps: int) -> float:
    """The share of the highest rate at a step: up, and linearly down to zero."""
    warm = max(1.0, WARMUP_SHARE * steps)
    return max(0.0, min(1.0, (step + 1) / warm, (1 - step / steps) / DECAY_SHARE))


def train(
    learner: Learner, batches: Batches, steps: int, checkpoint: Checkpoint, watcher: Watcher, *, rate: float
) -> float:
    """Take the steps that are still to be taken; return the loss of the last ones.

    Ctrl-C keeps what was learnt and raises KeyboardInterrupt; the same run goes on from there. Raises LmpmError where
    the loss is no number any more, DiskError.
    """
    torch = require("torch")
    kept = checkpoint.load()
    first, loss_before = 0, math.nan
    if kept is not None:
        first, loss_before = kept["step"], kept["loss"]
        learner.restore(kept["weights"], kept["optimizer"])
        watcher.resumed(first, steps)
    clock = _Clock(watcher, first, steps, loss_before)
    weights = [weight for weight in learner.model.parameters() if weight.requires_grad]
    learner.model.train()
    saved = time.monotonic()
    with between_steps() as stop:
        for step in range(first, steps):
            loss, tokens = learner.loss(batches.at(step))
            value = float(loss.detach())
            loss.backward()
            norm = float(torch.nn.utils.clip_grad_norm_(weights, CLIP))
            if not (math.isfinite(value) and math.isfinite(norm)):
                raise _diverged(step, rate)
            for group in learner.optimizer.param_groups:
                group["lr"] = group["highest"] * rate_at(step, steps)
            learner.optimizer.step()
            learner.optimizer.zero_grad(set_to_none=True)
            clock.took(step + 1, value, tokens)
            now = time.monotonic()
            if stop.asked or now - saved > SAVE_S or step + 1 == steps:
                checkpoint.save(step + 1, learner.trained(), learner.optimizer.state_dict(), clock.loss)
                saved = now
            if stop.asked and step + 1 < steps:
                raise KeyboardInterrupt
    learner.model.eval()
    return clock.loss


class _Clock:
    """Counts steps, and tells the watcher now and then."""

    def __init__(self, watcher: Watcher, first: int, steps: int, loss: float) -> None:
        self.watcher, self.first, self.steps = watcher, first, steps
        self.began = self.told = time.monotonic()
        self.tokens = 0
        self.losses: list[float] = []
        self.loss = loss

    def took(self, step: int, loss: float, tokens: int) -> None:
        """Count a step."""
        self.losses.append(loss)
        self.tokens += tokens
        now = time.monotonic()
        if now - self.told < REPORT_S and step < self.steps:
            return
        self.told, self.loss, self.losses = now, sum(self.losses) / len(self.losses), []
        taken, spent = step - self.first, max(now - self.began, 1e-9)
        self.watcher.advanced(
            Progress(
                step=step,
                steps=self.steps,
                loss=self.loss,
                tokens_s=self.tokens / spent,
                left_s=(self.steps - step) * spent / taken,
            )
        )


def _diverged(step: int, rate: float) -> LmpmError:
    return LmpmError(
        f"The loss is no number any more after {step} steps: the training diverged, nothing is pinned",
        hint=f"Lower the rate, {rate:g} now: `--rate {rate / 4:g}`",
        kind="diverged",
    )
