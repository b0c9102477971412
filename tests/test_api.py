"""The Python API: typed, lazy, as documented, and never shadowed by a room of the same name."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lmpm
from tests.conftest import ROOT, Cli

PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
FUNCTIONS = ("install", "load", "path", "resolve", "serve", "sync", "verify")


def test_the_examples_of_the_page_run(here: Cli) -> None:
    outputs = []
    for example in EXAMPLES:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            exec(compile(example, "docs/python.md", "exec"), {})
        assert err.getvalue() == "", "the package prints nothing"
        outputs.append(out.getvalue())
    installed, synced, asked, resolved, refused = outputs
    path = Path(installed.split()[1])
    assert installed.startswith("text-to-sql ") and path.is_file()
    assert synced.splitlines() == [f"text-to-sql {path}", "text-to-sql is right"]
    assert asked == "SELECT COUNT(*) FROM users; 8 stop\n SELECT COUNT(*) FROM users;"
    assert len(resolved.splitlines()) == 5
    assert refused.startswith("nothing-fits 3 ")
    assert here.lock.is_file() and here.call("lock", "--check").code == 0


def test_the_page_names_what_there_is() -> None:
    named = set(re.findall(r"^\| `(\w+)", PAGE[PAGE.index("| name | what it is |") :], re.MULTILINE))
    assert named == {*lmpm.__all__} - {"__version__"}


def test_no_room_shadows_a_name() -> None:
    rooms = [info.name for info in pkgutil.iter_modules(lmpm.__path__) if not info.name.startswith("_")]
    assert len(rooms) > 12
    for room in rooms:
        import_module(f"lmpm.{room}")
    for info in pkgutil.walk_packages(lmpm.__path__, "lmpm."):
        if info.ispkg:
            import_module(info.name)
    assert not {*rooms} & {*lmpm.__all__}
    for name in lmpm.__all__:
        value = getattr(lmpm, name)
        assert not inspect.ismodule(value), name
        if name in FUNCTIONS:
            assert inspect.isfunction(value) and value.__doc__ and value.__module__ == "lmpm.api"
            hints = inspect.signature(value)
            assert hints.return_annotation is not inspect.Signature.empty
            assert all(each.annotation is not inspect.Parameter.empty for each in hints.parameters.values())
        elif name != "__version__":
            assert inspect.isclass(value) and value.__doc__


def test_a_name_is_imported_when_it_is_asked_for(cli: Cli) -> None:
    script = "import sys, lmpm; print(*sorted(name for name in sys.modules if name.startswith('lmpm')))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=cli.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["lmpm", "lmpm.version"]
    with pytest.raises(AttributeError, match="no attribute `bring`"):
        lmpm.bring  # type: ignore[attr-defined]  # noqa: B018


def test_the_functions_do_what_the_commands_do(here: Cli) -> None:
    (model,) = lmpm.install("text-to-sql", offline=True, smoke=False).models
    assert str(model.path) == here.call("path", "text-to-sql").passed().out.strip()
    assert lmpm.Project(here.directory).lock().get("text-to-sql") is not None
    choice = lmpm.resolve("text-to-sql", machine="M2, 16GB", offline=True)
    shown = here.call("resolve", "text-to-sql", "--hardware", "M2, 16GB", "--offline", "--json").json
    assert choice.chosen is not None and choice.chosen.variant.title == shown["choice"]["model"]
    assert isinstance(choice.machine, lmpm.Machine)
    again = lmpm.resolve("text-to-sql", machine=choice.machine, offline=True)
    assert again.chosen == choice.chosen

    model.path.resolve().write_bytes(b"spoilt")
    (report,) = lmpm.verify(smoke=False)
    assert report.error is not None and report.error.exit_code == here.call("verify", "--no-smoke").code == 4

    with pytest.raises(lmpm.LmpmError) as caught:
        lmpm.sync(project=here.directory.parent)
    assert (caught.value.kind, caught.value.exit_code) == ("no-lock", 7)


def test_a_project_that_uses_it_passes_a_strict_type_check(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(
        "from pathlib import Path\n\nimport lmpm\n\n\n"
        "def model_of(task: str) -> Path:\n"
        '    """The file of a model for a task."""\n'
        "    project = lmpm.Project(Path())\n"
        "    machine: lmpm.Machine | None = lmpm.resolve(task, offline=True).machine\n"
        "    result = lmpm.install(task, project=project, machine=machine, smoke=False)\n"
        "    path: Path = result.models[0].path\n"
        "    sizes: list[int] = [file.size for file in result.models[0].step.files]\n"
        "    wrong: list[str] = [report.name for report in lmpm.verify() if report.error is not None]\n"
        "    assert sizes and not wrong and lmpm.sync().models\n"
        "    return path\n"
    )

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "mypy",
                "--strict",
                "--follow-imports=silent",
                "--cache-dir",
                str(ROOT / ".mypy_cache"),
                script,
            ],
            cwd=tmp_path,
            env={**os.environ, "MYPYPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )

    pytest.importorskip("mypy")
    passed = check()
    assert passed.returncode == 0, passed.stdout + passed.stderr
    script.write_text(script.read_text().replace("path: Path = ", "path: int = "))
    assert check().returncode == 1, "types are really looked at"
