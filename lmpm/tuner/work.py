"""The work itself: learn, and write what was learnt as GGUF. Everything lies in one folder until it passed its gate."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import LmpmError
from lmpm.fs import usable_cores
from lmpm.recipe import write_recipe
from lmpm.tuner.conversion.adapter import Adapter
from lmpm.tuner.conversion.files import About, write_adapter, write_model
from lmpm.tuner.conversion.quantize import PACKED, quantize
from lmpm.tuner.conversion.vocabulary import read_vocabulary
from lmpm.tuner.costs import steps_of
from lmpm.tuner.training import learners
from lmpm.tuner.training.batches import Batches
from lmpm.tuner.training.checkpoint import Checkpoint
from lmpm.tuner.training.encoding import Encoder
from lmpm.tuner.training.loop import train

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.recipe import Recipe
    from lmpm.tuner.base import Base
    from lmpm.tuner.examples import Examples
    from lmpm.tuner.settings import Settings
    from lmpm.tuner.training.encoding import Encoded
    from lmpm.tuner.training.loop import Learner, Watcher

PACKAGES: Final = ("torch", "transformers", "peft", "tokenizers", "gguf")
FEWEST: Final = 2  # examples that anything can be learnt from


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training: what is learnt, how, on which base (None: on nothing), in a folder of its own."""

    name: str
    recipe: Recipe
    examples: Examples
    settings: Settings
    base: Base | None
    home: Path  # where the folders of trainings are
    quant: str = "Q8_0"  # of the files: the training does not depend on it
    merges: bool = True  # the LoRA into its base; else both are pinned, and one base serves several

    @cached_property
    def key(self) -> str:
        """A hash of all that the weights depend on, but the threads of a CPU."""
        told = {
            "data": self.examples.sha256,
            "settings": self.settings.as_json(),
            "base": self.base.sha256 if self.base else "",
            "recipe": write_recipe(self.recipe),
            "packages": packages(),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=list).encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where its checkpoint and its files lie."""
        return self.home / f"{self.name}-{self.key[:16]}"

    @property
    def start(self) -> Path:
        """The folder of safetensors and tokenizer that it begins from, or where they are written if from nothing."""
        return self.base.folder if self.base else self.folder / "model"

    @property
    def context(self) -> int:
        """Tokens that the model can read at the most."""
        return int(self.base.config["max_position_embeddings"]) if self.base else self.settings.max_tokens

    @property
    def facts(self) -> dict[str, str]:
        """What the file says of its training, in keys `lmpm.*`: what was learnt, on what, and how."""
        told = {
            "training.data.sha256": self.examples.sha256,
            "training.examples": str(len(self.examples)),
            "training.settings": json.dumps(self.settings.as_json(), sort_keys=True),
            "training.packages": ", ".join(f"{name} {number}" for name, number in packages().items()),
        }
        if self.base:
            told |= {"training.base": self.base.repo or self.base.name, "training.base.sha256": self.base.sha256}
            told |= {"training.base.commit": self.base.commit} if self.base.commit else {}
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of it: the merged model, its base as GGUF made in the same way, and the LoRA where there is one.

    `exact` is the model as near as can be to what was trained, to be compared with it. With `put_on` the LoRA is not
    merged: `model` is the base, which is run with it.
    """

    model: Path
    exact: Path
    base: Path | None
    adapter: Path | None
    loss: float
    left_out: int  # examples that were too long
    put_on: tuple[Path, ...] = ()


def packages() -> dict[str, str]:
    """The versions that the weights depend on."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def encoder_of(job: Job) -> Encoder:
    """The encoder of a job, whose tokenizer is learnt first where there is no base."""
    if job.base is None and not (job.start / "tokenizer.json").is_file():
        plain = (_plain_text(job.recipe, item) for item in job.examples)
        learners.learn_tokenizer(plain, job.settings.shape, job.start)
    adds_bos = False
    if job.base is not None:
        adds_bos = read_vocabulary(job.start, int(job.base.config["vocab_size"])).adds_bos
    return Encoder(learners.load_tokenizer(job.start), job.recipe, adds_bos)


def perform(job: Job, encoder: Encoder, watcher: Watcher) -> tuple[Trained, Learner]:
    """Train, or go on, and write the files. Raises KeyboardInterrupt with all kept, LmpmError, DiskError."""
    settings = job.settings
    encoded = [encoder.encode(item) for item in job.examples]
    fitting = [item for item in encoded if len(item.ids) <= settings.max_tokens]
    _require_enough(fitting, settings)
    learner = learners.lora(job.start, settings) if job.base else learners.scratch(job.start, settings)
    batches = Batches(fitting, settings.batch, settings.seed)
    checkpoint = Checkpoint(job.folder / "checkpoint.pt", job.key)
    steps = steps_of(settings, len(fitting))
    loss = train(learner, batches, steps, checkpoint, watcher, rate=settings.learning_rate)
    return _write(job, learner, loss, len(encoded) - len(fitting)), learner


def _write(job: Job, learner: Learner, loss: float, left_out: int) -> Trained:
    model = job.folder / f"{job.name}-{job.quant}.gguf"
    about = About(name=job.name, license=job.base.license if job.base else "", facts=job.facts)
    if job.base is None:
        learners.save_scratch(learner, job.start)
        exact = _model(job, model, about)
        return Trained(model=model, exact=exact, base=None, adapter=None, loss=loss, left_out=left_out)
    learners.save_lora(learner, job.base.folder, job.settings, job.folder / "adapter")
    adapter = Adapter(job.folder / "adapter")
    base = job.folder / f"{job.base.name}-{job.quant}.gguf"
    of_base = About(name=job.base.name, license=job.base.license)
    if not job.merges:
        exact = _model(job, base, of_base)
    else:
        if not base.is_file() and (full := _model(job, base, of_base)) != base:
            full.unlink()
        exact = _model(job, model, about, adapter=adapter)
    lora = job.folder / f"{job.name}-lora.gguf"
    write_adapter(job.start, adapter, lora, About(name=job.name, facts=job.facts | _base_facts(job.base, base)))
    return Trained(
        model=model if job.merges else base, exact=exact, base=base, adapter=lora, loss=loss, left_out=left_out,
        put_on=() if job.merges else (lora,),
    )  # fmt: skip


def _model(job: Job, target: Path, about: About, *, adapter: Adapter | None = None) -> Path:
    """Write a model in the quant that is wanted; the file that is nearest to the weights, which may be another."""
    if job.quant in PACKED:
        write_model(job.start, target, about, adapter=adapter)
        return target
    full = _full(target)
    write_model(job.start, full, about, quant="F32", adapter=adapter)
    quantize(full, target, job.quant, threads=usable_cores())
    return full


def _full(target: Path) -> Path:
    return target.with_name(f"{target.stem}-full.gguf")


def _base_facts(base: Base, file: Path) -> dict[str, str]:
    """Which file the LoRA goes on, for who puts it there."""
    from lmpm.fs import hash_one

    told = {"base.sha256": hash_one(file).sha256}
    return told | ({"base.repo": base.repo, "base.commit": base.commit} if base.repo else {})


def scratch_config(settings: Settings) -> dict[str, Any]:
    """The shape of a model from nothing in transformers' words, for the estimate."""
    shape = settings.shape
    return {
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden,
        "num_attention_heads": shape.heads,
        "vocab_size": shape.vocabulary,
    }


def scratch_parameters(settings: Settings) -> int:
    """How many numbers a model from nothing has at the most."""
    shape = settings.shape
    layer = 4 * shape.width**2 + 3 * shape.width * shape.hidden + 2 * shape.width
    return shape.layers * layer + shape.vocabulary * shape.width + shape.width


def _plain_text(recipe: Recipe, item: Any) -> str:
    if recipe.raw:
        return f"{recipe.prompt(item.inputs)} {item.answer}"
    said = "\n\n".join(str(message["content"]) for message in recipe.messages(item.inputs))
    return f"{said}\n{item.answer}"


def _require_enough(fitting: list[Encoded], settings: Settings) -> None:
    if len(fitting) < FEWEST:
        raise LmpmError(
            f"There is too little to learn from: {len(fitting)} examples of at most {settings.max_tokens:,} tokens",
            hint="Give more examples, or longer ones with `--max-tokens`",
            kind="too-few",
        )
