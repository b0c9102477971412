"""A model that runs, and what it is asked by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lmpm.engine import EngineLimits, Files, Service, asking
from lmpm.errors import EngineError
from lmpm.recipe import constraint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lmpm.engine import Answer, AnswerStream, LocalEngine, Options, Session, TextKind
    from lmpm.recipe import Inputs, Recipe

ROOM_FOR_ANSWER = 0.25  # of the context at most, where a recipe allows a longer one


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model, loaded when it is first asked: its name, how it is called, its recipe, and its bytes."""

    name: str
    title: str
    recipe: Recipe
    size: int
    load: Callable[[], Session]

    @cached_property
    def session(self) -> Session:
        """What runs it. Raises EngineError."""
        return self.load()

    def close(self) -> None:
        """End it, if it was loaded."""
        if "session" in self.__dict__:
            self.session.close()

    @property
    def context(self) -> int:
        """Tokens that it was loaded for."""
        return self.session.config.context

    def ask(self, inputs: Inputs, options: Options) -> Answer:
        """The answer to named inputs."""
        return asking.answer(self.stream(inputs, options))

    def stream(self, inputs: Inputs, options: Options, progress: Any = None) -> AnswerStream:
        """The answer as it is written, held to what the inputs promise of it unless `options` say to what."""
        options = replace(options, progress=progress)
        if self.recipe.grammar and options.grammar is None and options.schema is None:
            held = constraint_of(self.recipe, inputs)
            options = replace(options, grammar=held.grammar, schema=held.schema)
        return asking.stream(self.session, self.recipe, inputs, options)

    def stream_chat(
        self, messages: Sequence[Mapping[str, Any]], options: Options, progress: Any = None
    ) -> AnswerStream:
        """The answer to a conversation, as it is written."""
        return asking.stream_chat(self.session, self.recipe, messages, replace(options, progress=progress))

    def vectors(self, texts: Sequence[str], kind: TextKind) -> list[tuple[float, ...]]:
        """A vector for each text."""
        return asking.embed(self.session, self.recipe, texts, kind=kind)

    def scores(self, query: str, documents: Sequence[str]) -> list[float]:
        """How well each document answers a query."""
        return self.session.rerank(query, documents)

    def fits(self, inputs: Inputs) -> bool:
        """Whether the prompt of these inputs leaves room for an answer."""
        recipe = asking.asked_as(self.session, self.recipe)
        prompt = recipe.prompt(inputs) if recipe.raw else self.session.apply_template(recipe.messages(inputs))
        room = min(recipe.max_tokens, int(self.context * ROOM_FOR_ANSWER))
        return len(self.session.tokenize(prompt)) + room <= self.context


def model_of(
    engine: LocalEngine,
    paths: Sequence[Path],
    mmproj: Path | None,
    *,
    name: str,
    title: str,
    recipe: Recipe,
    context: int,
    need: int | None,
) -> Model:
    """The model of these files, of which the first is loaded for `context` tokens; `need` is in bytes."""

    def load() -> Session:
        from lmpm.errors import IntegrityError
        from lmpm.estimate import HParams, settings_for
        from lmpm.gguf import local_part, read_part

        try:
            shape = HParams(*(read_part(local_part(path, path.name)) for path in paths))
            silent = recipe.kind in ("embed", "rerank")
            settings = settings_for(shape, context, embeddings=silent, repack=engine.repack, machine=engine.machine)
        except (ValueError, IntegrityError) as error:
            raise EngineError(f"`{paths[0].name}` is not a usable GGUF file: {error}") from error
        limits = EngineLimits(memory_bytes=None if need is None else need * 2, time_s=3600)
        return engine.open(Files(paths[0], mmproj), settings, limits, Service(chats=not recipe.raw))

    size = sum(path.stat().st_size for path in paths)
    return Model(name=name, title=title, recipe=recipe, size=size, load=load)
