"""The compiled copies of the catalog: what they save, and that nothing but their own source is believed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lmpm import catalog
from lmpm.fs import JsonCache, compiled_toml
from lmpm.fs.document import DocumentError
from lmpm.machine.chips import load_chips
from tests.conftest import Cli

SHIPPED = Path(__file__).resolve().parents[2] / "catalog"
NAMES = sorted(path.relative_to(SHIPPED).as_posix() for path in SHIPPED.rglob("*.toml"))
NAME = "models/bge-m3.toml"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A directory with one file of the catalog."""
    place = tmp_path / "sources"
    (place / NAME).parent.mkdir(parents=True)
    (place / NAME).write_text('title = "BGE M3"\nsize = 3\n')
    return place


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    return tmp_path / "home" / "catalog"


def test_a_copy_says_what_its_source_says(copies: Path) -> None:
    for name in NAMES:
        document = tomllib.loads((SHIPPED / name).read_text("utf-8"))
        assert compiled_toml.read(SHIPPED, name, copies) == document
        assert compiled_toml.read(SHIPPED, name, copies) == document, f"{name}: read from its copy"
    assert JsonCache(copies).usage().notes == len(NAMES)


def test_a_copy_is_taken_instead_of_its_source(sources: Path, copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compiled_toml.read(sources, NAME, copies)
    with monkeypatch.context() as patch:
        patch.setattr(tomllib, "loads", lambda text: pytest.fail("TOML was read again"))
        assert compiled_toml.read(sources, NAME, copies) == first


def test_other_bytes_of_the_source_are_read_at_once(sources: Path, copies: Path) -> None:
    compiled_toml.read(sources, NAME, copies)
    facts = (sources / NAME).stat()
    (sources / NAME).write_text('title = "BGE M3"\nsize = 4\n')  # as long as before
    os.utime(sources / NAME, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert compiled_toml.read(sources, NAME, copies)["size"] == 4
    assert compiled_toml.read(sources, NAME, copies)["size"] == 4


def test_a_damaged_copy_is_written_anew(sources: Path, copies: Path) -> None:
    wanted = compiled_toml.read(sources, NAME, copies)
    (copy,) = copies.iterdir()
    good = copy.read_bytes()
    copy.write_bytes(good[:-1])
    assert compiled_toml.read(sources, NAME, copies) == wanted
    assert copy.read_bytes() == good


def test_a_place_that_takes_no_copies_is_no_loss(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert compiled_toml.read(sources, NAME, tmp_path / "file" / "catalog")["size"] == 3


@pytest.mark.parametrize(
    ("text", "words"), [(b"a = =", "line 1, column 5"), (b"\xff", "is not UTF-8"), (b" " * 5_000_000, "is larger")]
)
def test_what_is_no_document_is_told_and_not_kept(sources: Path, copies: Path, text: bytes, words: str) -> None:
    (sources / NAME).write_bytes(text)
    for _ in range(2):
        with pytest.raises(DocumentError, match=words):
            compiled_toml.read(sources, NAME, copies)
    assert JsonCache(copies).usage().notes == 0


def test_a_date_is_read_but_not_kept(sources: Path, copies: Path) -> None:
    (sources / NAME).write_text("released = 2024-01-30\n")
    for _ in range(2):
        assert str(compiled_toml.read(sources, NAME, copies)["released"]) == "2024-01-30"
    assert JsonCache(copies).usage().notes == 0


def test_the_catalog_from_copies_is_the_catalog(copies: Path) -> None:
    wanted = catalog.load(SHIPPED)
    for _ in range(2):
        found = catalog.load(SHIPPED, copies=copies)
        assert found.models == wanted.models
        assert (found.tasks, found.quants, found.publishers) == (wanted.tasks, wanted.quants, wanted.publishers)
        assert load_chips(SHIPPED, copies) == load_chips(SHIPPED)


def test_two_processes_write_the_same_copies_at_once(copies: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from lmpm import catalog\n"
        "for _ in range(3): assert len(catalog.load(Path(sys.argv[1]), copies=Path(sys.argv[2])).models) > 20"
    )
    command = [sys.executable, "-c", script, str(SHIPPED), str(copies)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for process in running:
        assert process.communicate()[1] == b""
        assert process.returncode == 0
    assert catalog.load(SHIPPED, copies=copies).models == catalog.load(SHIPPED).models


class TestCommands:
    """The command line with copies that are there, damaged, or cannot be."""

    ASK = ("resolve", "text-to-sql", "--offline", "--hardware", "M2, 16GB", "--json")

    def test_an_answer_is_the_same_with_and_without(self, cli: Cli) -> None:
        first = cli.run(*self.ASK).passed()
        kept = Path(cli.environment["LMPM_HOME"]) / "catalog"
        assert JsonCache(kept).usage().notes > 20
        assert cli.run(*self.ASK).passed().out == first.out
        for path in kept.iterdir():
            path.write_bytes(path.read_bytes()[:-1] + b"!")
        assert cli.run(*self.ASK).passed() == first

    def test_a_home_that_takes_nothing(self, cli: Cli) -> None:
        wanted = cli.run(*self.ASK).passed()
        cli.environment["LMPM_HOME"] = "/dev/null/nowhere"  # nobody can write there, not even root
        assert cli.run(*self.ASK).passed() == wanted
