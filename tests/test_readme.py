"""The pages are true: commands and options exist, transcripts are the program's own, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lmpm import catalog, errors
from lmpm.cli import cli
from tests.transcripts import README, WIDTH, play, transcripts, without_figures

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
)
INPUTS = {
    f"--{item.name.replace('_', '-')}"
    for task in catalog.load(catalog.directory()).tasks
    for item in task.recipe.inputs
}
ENVIRONMENT = (ROOT / "docs" / "environment.md").read_text("utf-8")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every call of lmpm in a code block or between backticks, with its words."""
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        lines = [line for block in blocks for line in block.splitlines()]
        for line in (*lines, *re.findall(r"`(lmpm [^`\n]+)`", text)):
            for part in re.split(r"&&|\||\$\(|\)\"", line.removeprefix("$ ").split("  #")[0]):
                found = re.search(r"(?:^|/|\s)lmpm (.+)$", part.strip())
                if found and not part.strip().startswith(("#", "Chosen", "Why", "error")):
                    yield page, shlex.split(found[1], comments=True)


@pytest.mark.parametrize(
    ("page", "words"), list(commands()), ids=lambda value: " ".join(value) if isinstance(value, list) else value
)
def test_every_command_in_the_pages_exists(page: str, words: list[str]) -> None:
    context = click.Context(cli)
    command: click.Command | None = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        command = command.get_command(context, name)
        assert command is not None, f"{page} names `lmpm {name}`"
    assert command is not None
    options = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
    if command.context_settings.get("ignore_unknown_options"):  # the inputs of a recipe are options of `run`
        options |= INPUTS
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in options, f"{page}: {word}"


def test_the_pages_hold_commands() -> None:
    assert len(list(commands())) > 20


def test_every_exit_code_is_documented() -> None:
    table = ENVIRONMENT.split("## Exit codes")[1].split("## ")[0]
    named = {int(code) for code in re.findall(r"\| (\d+) \|", table)}
    kinds = [value for value in vars(errors).values() if isinstance(value, type)]
    used = {kind.exit_code for kind in kinds if issubclass(kind, errors.LmpmError)}
    assert used <= named, f"not documented: {used - named}"


def test_every_own_variable_is_documented() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "lmpm").rglob("*.py"))
    used = set(re.findall(r"\bLMPM_[A-Z_]+\b", sources))
    assert used == set(re.findall(r"\bLMPM_[A-Z_]+\b", ENVIRONMENT))


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text("utf-8")):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page} -> {target}"


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    named = set(re.findall(r"\]\((\w+\.md)\)", index))
    assert named == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}


def test_the_readme_names_the_two_commands() -> None:
    text = README.read_text("utf-8")
    assert "pip install . && .venv/bin/lmpm install text-to-sql --offline" in text.split("## ")[0]
    assert ".venv/bin/pip install -e '.[test]' && .venv/bin/pytest -n auto" in text


def test_the_transcripts_are_the_programs_own(tmp_path: Path) -> None:
    text = README.read_text("utf-8")
    written, printed = transcripts(text), play(text, tmp_path)
    assert len(written) >= 3
    for one, other in zip(written, printed, strict=True):
        assert without_figures(one) == without_figures(other), "to write them anew: python -m tests.transcripts"
        assert all(len(line) <= WIDTH for line in (one + other).splitlines())
