"""Whether llama.cpp reads and answers as torch did: the same tokens of the same prompts, and like probabilities.

A tokenizer that differs in one character is the loss that nobody sees: the model is asked otherwise than it was taught.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.errors import EngineError
from lmpm.tuner.extra import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.engine import Session
    from lmpm.tuner.examples import Example
    from lmpm.tuner.training.encoding import Encoder
    from lmpm.tuner.training.loop import Learner

ROWS: Final = 8
LIKELIEST: Final = 5
MOST_DRIFT: Final = 0.5  # nats, in the mean over the likeliest tokens: Q8_0 alone makes less than 0.1 of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How many prompts were compared, and by how much the probabilities differ in the mean, in nats."""

    prompts: int
    drift: float


def require_parity(session: Session, encoder: Encoder, learner: Learner, examples: Sequence[Example]) -> Parity:
    """Compare the first examples. Raises EngineError where prompts differ in a token, or answers too much."""
    drifts = []
    for item in examples[:ROWS]:
        if encoder.is_raw:
            prompt = encoder.prompt(item)
        else:
            more = {"chat_template_kwargs": {"enable_thinking": encoder.recipe.mode == "thinking"}}
            prompt = session.apply_template(
                encoder.recipe.messages(encoder.inputs(item)), **(more if encoder.recipe.mode else {})
            )
        taught, read = list(encoder.prompt_ids(encoder.prompt(item))), session.tokenize(prompt)
        if taught != read:
            at = next((at for at, pair in enumerate(zip(taught, read, strict=False)) if pair[0] != pair[1]), len(read))
            raise EngineError(
                f"llama.cpp reads the example of line {item.line} otherwise than it was learnt, from token {at + 1} on",
                details=(f"learnt  {taught[at : at + 8]}", f"read    {read[at : at + 8]}"),
                hint="The base's tokenizer or chat template is not kept exactly; take another base",
                kind="parity",
            )
        drifts.append(_drift(session, learner, taught))
    drift = sum(drifts) / len(drifts) if drifts else 0.0
    if not drift <= MOST_DRIFT:
        raise EngineError(
            f"llama.cpp answers otherwise than what was trained: probabilities differ by {drift:.2f} nats in the mean",
            hint="The conversion is not exact for this base; take another one, and report it",
            kind="parity",
        )
    return Parity(prompts=len(drifts), drift=drift)


def _drift(session: Session, learner: Learner, ids: list[int]) -> float:
    torch = require("torch")
    with torch.no_grad():
        logits = learner.model(input_ids=torch.tensor([ids], device=learner.device)).logits[0, -1].float()
        known = logits.log_softmax(-1).cpu()
    likely = session.likeliest(ids, LIKELIEST)
    return sum(abs(float(known[number]) - chance) for number, chance in likely) / len(likely)
