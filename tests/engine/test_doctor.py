"""What users see of engines: doctor, the options that name one, and its place in the manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.engine.conftest import engine_of
from tests.engine.test_engines import program
from tests.gguf_files import write_llama


@pytest.fixture
def installed(cli: Cli) -> Cli:
    cli.call("install", "text-to-sql", "--offline", "--no-smoke").passed()
    return cli


def test_doctor_shows_each_engine_its_proof_and_the_choice(cli: Cli, tmp_path: Path) -> None:
    place = program(tmp_path / "llama-server", "kill -ILL $$")
    checks = cli.call("doctor", "--offline", "--json", LMPM_LLAMA_SERVER=str(place)).json["checks"]
    engine = next(check for check in checks if check["name"] == "engine")
    assert engine["found"].startswith("xllamacpp ") and "llama.cpp 0." in engine["found"]
    assert engine["sources"]["xllamacpp"] == "loads a model and writes"
    assert "SIGILL" in engine["sources"]["llama-server"]
    assert engine["sources"]["memory plan"] == "asked" and engine["sources"]["held by"]


def test_another_build_than_that_of_the_formula_is_told(cli: Cli, tmp_path: Path) -> None:
    engine_of("llama-cpp-python")
    path = str(write_llama(tmp_path / "m.gguf")[0])
    for name, differs in (("xllamacpp", False), ("llama-cpp-python", True)):
        shown = cli.call("doctor", "--offline", "--json", LMPM_ENGINE=name).json["checks"]
        sources = next(check for check in shown if check["name"] == "engine")["sources"]
        assert ("memory formula" in sources) is differs
        said = cli.call("inspect", path, LMPM_ENGINE=name).passed().err
        assert ("memory is that of llama.cpp b" in said) is differs
    assert "memory is that of" not in cli.call("inspect", path, "--exact", LMPM_ENGINE="llama-cpp-python").passed().err


def test_the_option_goes_before_the_environment_and_that_before_the_manifest(installed: Cli) -> None:
    engine_of("llama-cpp-python")
    with installed.manifest.open("a") as file:
        file.write('\n[engine]\nprefer = "llama-cpp-python"\n')
    by_manifest = installed.call("verify", "--json").passed().json["engine"]["package"]
    by_variable = installed.call("verify", "--json", LMPM_ENGINE="xllamacpp").passed().json["engine"]["package"]
    by_option = installed.call("verify", "--json", "--engine", "llama-cpp-python", LMPM_ENGINE="xllamacpp")
    assert by_option.passed().json["engine"]["package"] == by_manifest != by_variable
    assert by_manifest.startswith("llama-cpp-python 0.") and by_variable.startswith("xllamacpp 20")


def test_a_name_that_is_no_engine(installed: Cli) -> None:
    failed = installed.call("verify", "--engine", "xlamacpp")
    assert failed.code != 0 and "`xlamacpp` is not an engine" in failed.err + failed.out
    assert "Did you mean `xllamacpp`?" in failed.err + failed.out
