"""Verify: prove on this machine what the lock pins. Every model gets a report; nothing stops at the first."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lmpm.errors import (
    DiskError,
    EngineError,
    IntegrityError,
    LmpmError,
    MissingFilesError,
    SmokeTestError,
    TransferInterruptedError,
)
from lmpm.locked import context_of, prove, rung_for, task_of
from lmpm.size import human

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.bench import Bench
    from lmpm.catalog import Catalog
    from lmpm.fetch import Fetcher
    from lmpm.ladder import Rung
    from lmpm.lock_types import LockedModel
    from lmpm.store import Store
    from lmpm.types import Machine, ModelFile, SmokeResult, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What verifying one model showed. `error` is the first thing that was wrong, None when all is right."""

    name: str
    rung: Rung | None = None
    rungs: int = 0
    path: Path | None = None
    hashed_bytes: int = 0
    hashed_s: float = 0.0
    trusted: bool = False  # an unchanged file's stamp was believed
    smoke: SmokeResult | None = None
    missing: tuple[ModelFile, ...] = ()
    notes: tuple[str, ...] = ()
    error: LmpmError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Checks locked models one by one. `fetcher` set: missing files are downloaded first."""

    catalog: Catalog
    store: Store
    machine: Machine
    fetcher: Fetcher | None = None
    quick: bool = False
    smoke: bool = True
    engine_build: int | None = None
    free_memory: int | None = None
    bench: Bench | None = None

    def check(self, model: LockedModel) -> Report:
        """The report on one model; errors are part of it."""
        try:
            rung = rung_for(model, self.machine, self.catalog)
        except LmpmError as error:
            return Report(name=model.name, rungs=len(model.candidates), error=error)
        report = Report(name=model.name, rung=rung, rungs=len(model.candidates), notes=self._remarks(rung))
        try:
            return self._check_rung(model, rung, report)
        except TransferInterruptedError:
            raise  # the user wants an end, not the next model
        except LmpmError as error:
            return replace(report, error=error)

    def _check_rung(self, model: LockedModel, rung: Rung, report: Report) -> Report:
        candidate = rung.candidate
        if self.fetcher is not None:
            self.fetcher.fetch(candidate.source, candidate.files)
        lacking = tuple(f for f in candidate.files if not self._is_there(candidate.source, f))
        if lacking:
            size = sum(file.size for file in lacking)
            error = MissingFilesError(
                f"`{model.name}` is not complete: {candidate.model} {candidate.quant}, {human(size)} missing"
            )
            return replace(report, missing=lacking, error=error)
        began = time.monotonic()
        paths = [self._hash(model, candidate.source, file) for file in candidate.files]
        report = replace(
            report,
            path=paths[0],
            hashed_bytes=candidate.size,
            hashed_s=time.monotonic() - began,
            trusted=self.quick,
        )
        try:
            self._check_engine(rung)
            if not self.smoke:
                return report
            task = task_of(model, self.catalog)
            models = [path for path, file in zip(paths, candidate.files, strict=True) if file.role == "model"]
            context = context_of(model)
            result = prove(models, task, context=context, need=candidate.memory, bench=self.bench)
        except EngineError as error:
            return replace(report, error=error)
        if result is not None and not result.passed:
            return replace(report, smoke=result, error=SmokeTestError(result.detail))
        return replace(report, smoke=result)

    def _is_there(self, source: Source, file: ModelFile) -> bool:
        """Whether something lies under the file's name, whatever its bytes."""
        link, blob = self.store.link(source, file), self.store.blob(source, file)
        return link.exists() or blob.exists() or link.is_symlink()

    def _hash(self, model: LockedModel, source: Source, file: ModelFile) -> Path:
        """The path of a file whose bytes are those of the lock. Raises IntegrityError naming the damage."""
        path = self.store.find(source, file)
        if path is None:
            raise IntegrityError(
                f"`{file.path}` of `{model.name}` is damaged: {self._damage(source, file)}",
                hint="Run `lmpm install` to fetch it again",
            )
        if self.quick and self.store.is_stamped(path, file.sha256 or ""):
            return path
        try:
            self.store.confirm(path, file)
        except DiskError as error:
            raise IntegrityError(f"`{file.path}` of `{model.name}` is unreadable", details=(error.message,)) from error
        except IntegrityError as error:
            error.hint = "Run `lmpm install` to fetch it again"
            raise
        return path

    def _damage(self, source: Source, file: ModelFile) -> str:
        """What is wrong with the thing under the file's name, in words."""
        link = self.store.link(source, file)
        path = link if link.exists() or link.is_symlink() else self.store.blob(source, file)
        if not path.exists():
            return "a link to nothing"
        if path.is_dir():
            return "a directory"
        if not path.is_file():
            return "not a regular file"
        size = path.stat().st_size
        return f"{size:,} bytes instead of {file.size:,}"

    def _check_engine(self, rung: Rung) -> None:
        wanted = rung.candidate.engine
        if wanted and self.engine_build and self.engine_build < wanted:
            raise EngineError(
                f"llama.cpp b{self.engine_build} is too old, {rung.candidate.model} needs b{wanted}",
                hint="Upgrade it: `pip install --upgrade llama-cpp-python`",
            )

    def _remarks(self, rung: Rung) -> tuple[str, ...]:
        """What is worth knowing but is no failure."""
        notes = []
        if rung.too_slow and rung.speed is not None:
            notes.append(f"nothing in the lock is fast enough here: about {rung.speed:.1f} tok/s")
        if self.free_memory is not None and rung.candidate.memory > self.free_memory:
            notes.append(
                f"only {human(self.free_memory)} of memory is free now, it needs {human(rung.candidate.memory)}"
            )
        return tuple(notes)


def exit_code(reports: list[Report]) -> int:
    """The code of the gravest failure: wrong bytes before the engine before the rest; 0 without any."""
    codes = [report.error.exit_code for report in reports if report.error]
    order = (4, 8, 6, 3, 9, 5)
    return next((code for code in order if code in codes), codes[0] if codes else 0)


def build_number(text: str) -> int | None:
    """`b9200` or `9200 (abc)` as a number, None when the build does not say."""
    found = re.search(r"\bb?(\d{3,6})\b", text)
    return int(found[1]) if found else None
