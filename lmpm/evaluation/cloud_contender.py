"""A provider's model among the contenders: asked by the recipe of the pinned one, over the network, for money."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lmpm.cloud import Cost
from lmpm.engine import asking
from lmpm.errors import NetworkError, SpecError
from lmpm.proof import ask_case, digest_of
from lmpm.recipe import constraint_of, write_recipe
from lmpm.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmpm.cloud import CloudClient, Price
    from lmpm.engine import Answer, Options
    from lmpm.proof import Case, CaseAnswer
    from lmpm.recipe import Inputs, Recipe

MOST_STOPS: Final = 4  # that OpenAI's API takes
LARGE: Final = 1 << 62  # bytes: as large as it takes to be shown a whole schema
CHARS_A_TOKEN: Final = 4  # about, of English and of code
PICTURE_TOKENS: Final = 1_000  # about, of one that is not large (platform.openai.com, docs/guides/images-vision)


@dataclass(frozen=True, kw_only=True)
class CloudContender:
    """A model of a provider. `label` is how it is shown; what it may read at once is the provider's to say."""

    client: CloudClient
    asked_as: Recipe
    label: str
    quant: str = ""
    build: str = ""
    is_pinned: bool = False

    @property
    def price(self) -> Price | None:
        """What the provider takes, where the manifest states it."""
        return self.client.provider.price

    @property
    def identity(self) -> str:
        """Where it is asked, and as what: a provider may change what answers there, and does not say so."""
        return f"{self.client.provider.base_url}#{self.client.provider.model}"

    @property
    def recipe(self) -> str:
        """A hash of how it is asked."""
        return digest_of([write_recipe(self.asked_as), __version__])

    def with_recipe(self, **changes: Any) -> CloudContender:
        """The same model, asked otherwise."""
        return dataclasses.replace(self, asked_as=dataclasses.replace(self.asked_as, **changes))

    @contextmanager
    def open(self) -> Iterator[CloudAsker]:
        """The model; nothing is to be loaded."""
        yield CloudAsker(CloudModel(self.client, self.asked_as))


@dataclass(frozen=True, slots=True)
class CloudAsker:
    """A provider that can be asked cases."""

    model: CloudModel

    @property
    def load_s(self) -> None:
        """Nobody says."""

    def ask(self, case: Case) -> CaseAnswer:
        """Its answer. Raises NetworkError, NotPermittedError and SpecError."""
        return ask_case(self.model, case)

    def peak_memory(self) -> None:
        """Nobody says."""


@dataclass(frozen=True, slots=True)
class CloudModel:
    """A provider and a recipe as one model to ask."""

    client: CloudClient
    recipe: Recipe
    size: int = LARGE

    def ask(self, inputs: Inputs, options: Options) -> Answer:
        """Its answer. Grammars are llama.cpp's own and stay here; a JSON schema goes along."""
        recipe = self.recipe
        body: dict[str, Any] = {
            "messages": recipe.messages(inputs), "max_tokens": options.max_tokens or recipe.max_tokens,
            "temperature": 0, "seed": 0,
        }  # fmt: skip
        if recipe.stop:
            body["stop"] = list(recipe.stop)[:MOST_STOPS]
        schema = options.schema or constraint_of(recipe, inputs).schema
        if schema is not None:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        if options.tools:
            body |= {"tools": list(options.tools), "tool_choice": options.tool_choice or "auto"}
        found = asking.answer_of(self.client.stream("chat/completions", body))
        return dataclasses.replace(found, text=found.text.strip())

    def vectors(self, texts: Sequence[str], **_: object) -> list[tuple[float, ...]]:
        """A vector for each text; the prefixes of the recipe are those of another model."""
        found = self.client.ask("embeddings", {"input": list(texts)})
        try:
            rows = sorted(found["data"], key=lambda item: item["index"])
            return [tuple(map(float, item["embedding"])) for item in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise NetworkError("A provider answered with what are not vectors") from error

    def scores(self, query: str, documents: Sequence[str], **_: object) -> list[float]:  # noqa: ARG002
        """Raise SpecError: OpenAI's API ranks no documents."""
        raise SpecError(f"`cloud:{self.client.provider.name}` ranks no documents")

    def fits(self, inputs: Inputs) -> bool:  # noqa: ARG002
        """Whether the prompt leaves room for an answer: the provider refuses what does not."""
        return True


def cost_of(contender: CloudContender, cases: Sequence[Case]) -> Cost:
    """What it takes to ask cases: about so many tokens to read, at most so many to write."""
    read = sum(_tokens_of(contender.asked_as, case) for case in cases)
    written = len(cases) * contender.asked_as.max_tokens if contender.asked_as.writes else 0
    return Cost.at(contender.price, requests=len(cases), read=read, written=written)


def _tokens_of(recipe: Recipe, case: Case) -> int:
    """About so many tokens that are read for a case: what the recipe says around it counts, too."""
    images = {item.name for item in recipe.inputs if item.is_image}
    pictures = [case.inputs[name] for name in images & case.inputs.keys()]
    number = sum(len(value) if isinstance(value, list) else 1 for value in pictures)
    texts = [recipe.system, recipe.user, *(str(text) for name, text in case.inputs.items() if name not in images)]
    return sum(map(len, texts)) // CHARS_A_TOKEN + number * PICTURE_TOKENS
