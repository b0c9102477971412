"""Training: Muon for the hidden matrices, AdamW for the rest; the rate warms up, stays, and decays to zero at the end.

One single-threaded process a core, each with its part of every batch: gradients are summed and
each process works out the Muon updates of its share of the matrices. The state before the decay is
kept as `stable.pt`: a run resumed from it goes on as if it had never decayed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor
from torch.nn import functional

from catalog.starter.train import batches, tokenizer, transplant
from catalog.starter.train.batches import COPY_WEIGHT, Batch
from catalog.starter.train.model import Decoder, Shape

SEED = 20261130
WARMUP = 100
MUON_RATE, ADAM_RATE, MUON_MOMENTUM, WEIGHT_DECAY = 0.012, 2e-3, 0.95, 0.01
SAVE_SECONDS = 60
# Newton-Schulz coefficients of Muon (K. Jordan, https://kellerjordan.github.io/posts/muon/).
# The passes are in bfloat16 where the processor multiplies in it, the weights and their updates in float32.
BFLOAT16 = torch.cpu._is_avx512_bf16_supported()
NEWTON = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal (torch.optim.Muon works in bfloat16, slow on CPUs without it)."""

    def __init__(self, params: list[Tensor], lr: float) -> None:
        """Keep the parameters and share them out between the processes by their sizes."""
        super().__init__(params, {"lr": lr})
        loads = [0] * dist.get_world_size()
        self.owned: set[int] = set()
        for at, p in sorted(enumerate(params), key=lambda pair: -pair[1].numel()):
            owner = loads.index(min(loads))
            loads[owner] += p.numel()
            if owner == dist.get_rank():
                self.owned.add(at)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # noqa: ARG002
        """Update every matrix; like-shaped ones are made orthogonal together."""
        group = self.param_groups[0]
        params: list[Tensor] = group["params"]
        updates = [torch.zeros_like(p) for p in params]
        shapes: dict[torch.Size, list[int]] = {}
        for at, p in enumerate(params):
            assert p.grad is not None
            momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
            momentum.lerp_(p.grad, 1 - MUON_MOMENTUM)
            if at in self.owned:
                shapes.setdefault(p.shape, []).append(at)
        for alike in shapes.values():
            stacked = torch.stack(
                [params[at].grad.lerp(self.state[params[at]]["momentum"], MUON_MOMENTUM) for at in alike]
            )
            for at, update in zip(alike, orthogonal(stacked), strict=True):
                updates[at] = update
        flat = torch.cat([update.reshape(-1) for update in updates])
        dist.all_reduce(flat)
        for p, update in zip(params, flat.split([p.numel() for p in params]), strict=True):
            scale = max(1.0, p.shape[0] / p.shape[1]) ** 0.5
            p.mul_(1 - group["lr"] * WEIGHT_DECAY).add_(update.view_as(p), alpha=-group["lr"] * scale)


def share_gradients(params: list[Tensor], progress: float) -> float:
    """Average the gradients over the processes; return the first one's progress."""
    own = torch.tensor([progress if dist.get_rank() == 0 else 0.0])
    flat = torch.cat([own, *(p.grad.reshape(-1) for p in params if p.grad is not None)])
    dist.all_reduce(flat)
    parts = flat[1:].div_(dist.get_world_size()).split([p.numel() for p in params])
    for p, part in zip(params, parts, strict=True):
        p.grad = part.view_as(p)
    return float(flat[0])


def orthogonal(x: Tensor) -> Tensor:
    """Return nearly orthogonal matrices for a stack of them, by five Newton-Schulz steps."""
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = NEWTON
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def rate(step: int, progress: float, decay: float) -> float:
    """Warm up, stay, then fall linearly to zero over the last share of the run; progress goes from 0 to 1."""
    left = (1 - progress) / decay if decay else 1.0
    return max(0.0, min(1.0, (step + 1) / WARMUP, left))


def seen(segments: Tensor) -> Tensor:
    """The mask: what comes before in the schema or in the same pair."""
    key, query = segments[:, None, :], segments[:, :, None]
    causal = torch.ones(segments.shape[1], segments.shape[1], dtype=torch.bool).tril()
    return (causal & ((key == 0) | (key == query))).unsqueeze(1)


def loss_of(model: Decoder, batch: Batch) -> tuple[Tensor, float]:
    """Weighted next-token loss a learnt token, and the plain loss on answers (0 where a batch has none)."""
    tokens, segments, weights = (torch.from_numpy(x) for x in (batch.tokens, batch.segments, batch.weights))
    follows = (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] >= 0) & (weights[:, 1:] > 0)
    keep = functional.pad(follows, (0, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=BFLOAT16):
        states = model.hidden(tokens, torch.from_numpy(batch.positions), seen(segments), keep)
        logits = functional.linear(states, model.embedding.weight)
    weight = weights[:, 1:][follows]
    losses = functional.cross_entropy(logits.float(), tokens[:, 1:][follows], reduction="none")
    answers = losses.detach()[weight == 1.0]
    return (losses * weight).sum() / (weight >= COPY_WEIGHT).sum(), float(answers.mean()) if len(answers) else 0.0


@dataclass(frozen=True)
class Plan:
    """What to train: a number of steps or, if given, minutes, of which the last share decays."""

    folder: Path
    steps: int
    minutes: float
    decay: float
    seed: int
    processes: int
    resume: bool
    shown: bool
    begin: Path | None

    def progress(self, steps: int, seconds: float) -> float:
        """How much of the run is done, from 0 to 1."""
        return seconds / (60 * self.minutes) if self.minutes else steps / self.steps


def save(path: Path, model: Decoder, optimizers: list[torch.optim.Optimizer], step: int) -> None:
    """Write a checkpoint in one move."""
    scratch = path.with_suffix(".part")
    states = [optimizer.state_dict() for optimizer in optimizers]
    torch.save({"model": model.state_dict(), "optimizers": states, "step": step}, scratch)
    scratch.replace(path)


def train(rank: int, plan: Plan) -> None:
    """Run one process of the training, or go on with it."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    meeting = f"file://{plan.folder.resolve()}/meeting-{os.getppid()}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=plan.processes)
    torch.manual_seed(plan.seed)
    words_path, kept_path, start = plan.folder / "tokenizer.json", plan.folder / "stable.pt", 0
    words = tokenizer.load(words_path)
    model = Decoder(Shape(vocab=words.get_vocab_size()))
    hidden = [p for n, p in model.named_parameters() if p.dim() == 2 and "embedding" not in n]
    rest = [p for n, p in model.named_parameters() if p.dim() != 2 or "embedding" in n]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(hidden, MUON_RATE),
        torch.optim.AdamW(rest, ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    if plan.resume:
        kept = torch.load(kept_path, weights_only=True)
        model.load_state_dict(kept["model"])
        start = kept["step"]
        for optimizer, state in zip(optimizers, kept["optimizers"], strict=True):
            optimizer.load_state_dict(state)
    elif plan.begin:
        transplant.fill(model, words, plan.begin)
    if rank == 0:
        print(f"{sum(p.numel() for p in model.parameters())} parameters, from step {start}", flush=True)
    run(model, optimizers, batches.background(plan.seed + start, words_path, start, plan.shown), start, plan)


def run(
    model: Decoder, optimizers: list[torch.optim.Optimizer], source: Iterator[Batch], first: int, plan: Plan
) -> None:
    """The steps, until their number or, if minutes are given, until the time is up."""
    began = saved = time.monotonic()
    step, progress, running, tokens = first, 0.0, 0.0, 0
    leads = dist.get_rank() == 0
    while True:
        batch = next(source).part(dist.get_rank(), dist.get_world_size())
        loss, answer = loss_of(model, batch)
        loss.backward()
        progress = share_gradients(list(model.parameters()), progress)
        if progress >= 1:
            break
        for optimizer, base in zip(optimizers, (MUON_RATE, ADAM_RATE), strict=True):
            optimizer.param_groups[0]["lr"] = base * rate(step, progress, plan.decay)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step, running, tokens = step + 1, running + answer, tokens + batch.tokens.size * dist.get_world_size()
        taken = time.monotonic() - began
        progress = plan.progress(step - first, taken)
        if not leads:
            continue
        if step % 20 == 0:
            print(
                f"step {step} {progress:.3f} answer-loss {running / 20:.4f} "
                f"{taken / (step - first):.3f} s/step {tokens / taken:.0f} tok/s",
                flush=True,
            )
            running = 0.0
        if progress < 1 - plan.decay and time.monotonic() - saved > SAVE_SECONDS:
            save(plan.folder / "stable.pt", model, optimizers, step)
            saved = time.monotonic()
    if leads:
        save(plan.folder / "model.pt", model, optimizers, step)
        print(f"done after {step} steps, {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--minutes", type=float, default=0.0, help="pace the run by time, not by --steps")
    parser.add_argument("--decay", type=float, default=0.25, help="the share of the run in which the rate falls")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--begin", type=Path, help="begin with the weights of this GGUF file")
    parser.add_argument("--no-values", dest="shown", action="store_false", help="show no values in the schemas")
    parser.add_argument("--resume", action="store_true", help="go on from stable.pt")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if not (options.out / "tokenizer.json").exists():
        tokenizer.learn(options.seed, 9000).save(str(options.out / "tokenizer.json"))
    plan = Plan(
        options.out, options.steps, options.minutes, options.decay, options.seed, options.processes, options.resume,
        options.shown, options.begin,
    )  # fmt: skip
    mp.spawn(train, (plan,), plan.processes)


if __name__ == "__main__":
    main()
