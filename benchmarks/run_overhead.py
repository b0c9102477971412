"""What asking through a recipe costs over the engine's own session, at equal settings.

    python benchmarks/run_overhead.py

Two engines: one that writes at an even pace and does nothing else, and llama.cpp with the starter. Each is asked in
turns by its session, by `lmpm.load(...).stream`, and as `lmpm run` writes an answer. Printed are tokens a second as a
share of the session's, and what is added to the first token, both as medians.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from lmpm.cli.output.answer import Writer
from lmpm.cli.output.console import Console
from lmpm.engine import EngineLimits, Files, Options, Session, default_engine
from lmpm.recipe import Input, Recipe
from lmpm.run_config import RunConfig
from lmpm.runtime import Model, Subject

STARTER: Final = Path(__file__).resolve().parents[1] / "catalog" / "starter" / "text-to-sql-starter-Q8_0.gguf"
TOKENS: Final = 200
PACE_S: Final = 0.004  # a token: 250 a second
ROUNDS: Final = 9
RECIPE: Final = Recipe(kind="complete", inputs=(Input(name="text", main=True),), user="{text}", raw=True)
OPTIONS: Final = Options(max_tokens=TOKENS, grammar='root ::= "SELECT " [a-z ]*')
PROMPT: Final = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n\nQuestion: Which users are there?\nSQL:"
Asked = Callable[[], Iterator[object]]


class PacedSession(Session):
    """A session whose engine writes one word after another at an even pace."""

    def __init__(self) -> None:
        self.config = RunConfig(context=1024)
        self.has_template = True

    def _stream(self, *_: Any, **__: Any) -> Any:
        due = time.perf_counter()
        for _number in range(TOKENS):
            due += PACE_S
            time.sleep(max(0.0, due - time.perf_counter()))
            yield {"content": "word "}
        yield {"content": "", "stop": True, "stop_type": "limit", "tokens_predicted": TOKENS, "timings": {}}


def main() -> None:
    """Measure both engines and print the shares."""
    measure("paced", PacedSession())
    with default_engine().open(Files(STARTER), RunConfig(context=1024), EngineLimits(time_s=60)) as session:
        measure("llama.cpp, starter", session)


def measure(name: str, session: Session) -> None:
    """Ask in turns, and print what each way makes of it."""
    subject = Subject(
        name="model", title="", quant="", license="", files=Files(STARTER), paths=(STARTER,), recipe=RECIPE, task=None,
        context=1024, need=0,
    )  # fmt: skip
    model = Model(subject, session, on_close=lambda: None)

    def by_session() -> Iterator[object]:
        return iter(session.stream(PROMPT, max_tokens=TOKENS, grammar=OPTIONS.grammar))

    def by_model() -> Iterator[object]:
        return iter(model.stream(text=PROMPT, options=OPTIONS))

    def by_run() -> Iterator[object]:
        writer = Writer(Console())
        for _, piece in model.stream(text=PROMPT, options=OPTIONS).pieces():
            writer.write(piece)
            yield piece
        writer.end()

    ways: dict[str, Asked] = {"session": by_session, "model": by_model, "run": by_run}
    seen: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, asked in ways.items():
            seen[way].append(timed(asked))
    first, whole = zip(*seen["session"], strict=True)
    print(f"{name}: {TOKENS / statistics.median(whole):,.0f} tokens a second by the session")
    for way in ("model", "run"):
        share = statistics.median(base / took for base, (_, took) in zip(whole, seen[way], strict=True))
        added = statistics.median(took - base for base, (took, _) in zip(first, seen[way], strict=True))
        print(f"  {way:6} {share:.3f} of its speed, first token {1000 * added:+.2f} ms")


def timed(asked: Asked) -> tuple[float, float]:
    """Seconds to the first piece and to the end of an answer, with stdout kept away from the terminal."""
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter()
        pieces = asked()
        next(pieces)
        first = time.perf_counter() - began
        for _ in pieces:
            pass
        return first, time.perf_counter() - began


if __name__ == "__main__":
    main()
