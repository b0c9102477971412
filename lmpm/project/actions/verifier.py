"""How a locked model is checked on this machine: it fits, its bytes are those of the lock, it loads, it answers."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lmpm.errors import (
    EngineError,
    HashMismatchError,
    IntegrityError,
    LmpmError,
    MissingFilesError,
    SmokeTestError,
    TransferInterruptedError,
)
from lmpm.fs import Hashed, Stamp, hash_all, usable_cores
from lmpm.project.actions.report import Report
from lmpm.project.actions.twins import missing_files
from lmpm.project.adapted import fetch_adapters, require_belonging
from lmpm.project.checks import Subject, check, read_checks, replace_smoke
from lmpm.project.lock.entry import context_of, prove, rung_for, task_of
from lmpm.project.lock.facts import disagreements
from lmpm.project.lock.recipes import recipe_of
from lmpm.project.manifest import Manifest
from lmpm.project.origin import require_public
from lmpm.project.policy import require_permitted
from lmpm.project.space import require_space
from lmpm.store import corruption, missing_hint, own_file_hint
from lmpm.types import FileSource
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from lmpm.catalog import Catalog
    from lmpm.engine import LocalEngine
    from lmpm.project.lock.ladder import Rung
    from lmpm.project.lock.records import LockedCandidate, LockedModel
    from lmpm.project.lock.twins import Twin
    from lmpm.proof import Checked, History, SmokeResult, Tested
    from lmpm.reporter import Reporter
    from lmpm.store import Corruption, Fetcher, Store
    from lmpm.types import Machine, ModelFile, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Checks locked models one by one. `fetcher` set: missing files are downloaded first."""

    catalog: Catalog
    store: Store
    machine: Machine
    fetcher: Fetcher | None = None
    quick: bool = False
    smoke: bool = True
    full: bool = False  # whether all cases of the checks are asked
    directory: Path | None = None  # of the project, where its checks are
    engine_build: int | None = None
    free_memory: int | None = None
    manifest: Manifest = field(default_factory=Manifest)
    targets: Mapping[str, Machine] = field(default_factory=dict)  # the declared machines
    records: History | None = None  # of this machine
    local_engine: LocalEngine | None = None
    hashed: Mapping[Path, Hashed | LmpmError] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)  # names of locked files by sha256

    def ahead(
        self, models: Iterable[LockedModel], *, workers: int | None = None, reporter: Reporter | None = None
    ) -> Verifier:
        """The verifier that has hashed all files of several models, side by side on all cores.

        `reporter` is told of each file. Raises DiskError when files are to be fetched and there is no space for
        all of them.
        """
        paths: list[Path] = []
        known = dict(self.known)
        taken: list[tuple[Source, tuple[ModelFile, ...]]] = []
        for model in models:
            pins = [pin for rung in model.candidates for pin in rung.pins]
            known |= {file.sha256 or "": file.path for _, files in pins for file in files}
            looked: list[tuple[Source, tuple[ModelFile, ...]]] = []
            for twin in _whole_twins(self.store, model):
                looked += twin.pins
            try:
                candidate = rung_for(model, self.machine).candidate
            except LmpmError:
                pass  # `check` tells
            else:
                taken += candidate.pins
                looked += candidate.pins
            found = [(file, self.store.find(source, file)) for source, files in looked for file in files]
            for file, path in found:
                if path and not self._is_trusted(path, file):
                    paths.append(path)
                    if reporter:
                        reporter.hashing(file.path, file.size)
        if self.fetcher is not None:
            require_space(self.store, taken)
        return replace(self, hashed=hash_all(paths, workers=workers or usable_cores()), known=known)

    def check(self, model: LockedModel) -> Report:
        """The report on one model; errors are part of it."""
        began = time.monotonic()
        report = self._with_twins(model, self._check(model))
        if not report.damaged and (wrong := disagreements(model, self.store, self.catalog)):
            error = IntegrityError(
                f"`lmpm.lock` says of `{model.name}` what its files do not",
                details=tuple(map(str, wrong)),
                hint="Find out who edited it; `lmpm install` writes what the files say",
            )
            report = replace(report, error=error, disagreements=wrong)
        return replace(report, took_s=time.monotonic() - began)

    def _with_twins(self, model: LockedModel, report: Report) -> Report:
        """The report with the twins that are here; one that is not here is nobody's loss, one that is damaged is."""
        twins = _whole_twins(self.store, model)
        looked = [(twin, self._look(twin.source, file)) for twin in twins for file in twin.files]
        damaged = [(twin, found) for twin, found in looked if isinstance(found, corruption.Corruption)]
        sound = tuple(twin for twin in twins if twin not in [wrong for wrong, _ in damaged])
        report = replace(report, twins=sound, damaged=(*report.damaged, *(found for _, found in damaged)))
        if report.error is not None or not damaged:
            return report
        error = IntegrityError(
            f"A twin of `{model.name}` is damaged: {damaged[0][0].source}",
            details=[f"{found.path}: {found.detail}" for _, found in damaged],
            hint="`lmpm sync --twins` brings it again",
        )
        return replace(report, error=error)

    def _check(self, model: LockedModel) -> Report:
        try:
            rung = rung_for(model, self.machine)
        except LmpmError as error:
            return Report(name=model.name, rungs=len(model.candidates), error=error)
        report = Report(
            name=model.name,
            rung=rung,
            rungs=len(model.candidates),
            notes=self._remarks(model.name, rung),
            recorded=self._recorded(rung),
        )
        try:
            require_permitted(model.name, rung.candidate, self.manifest.policy)
            return self._check_rung(model, rung, report)
        except TransferInterruptedError:
            raise  # the user wants an end, not the next model
        except LmpmError as error:
            return replace(report, error=error)

    def _check_rung(self, model: LockedModel, rung: Rung, report: Report) -> Report:
        candidate = rung.candidate
        if self.fetcher is not None:
            require_public(candidate.source, self.manifest)
            self.fetcher.fetch(candidate.source, candidate.files, ref=model.requested.get("ref"))
            fetch_adapters(self.fetcher, candidate.adapters, model.requested)
        pinned = [(source, file) for source, files in candidate.pins for file in files]
        lacking = tuple(file for source, file in pinned if not self._is_there(source, file))
        if lacking:
            size = sum(file.size for file in lacking)
            error = MissingFilesError(
                f"`{model.name}` is not complete: {candidate.model} {candidate.quant}, {human(size)} missing",
                hint=missing_hint(next(source for source, file in pinned if file in lacking), lacking),
            )
            return replace(report, missing=lacking, error=error)
        began = time.monotonic()
        results = [self._look(source, file) for source, file in pinned]
        damaged = tuple(result for result in results if isinstance(result, corruption.Corruption))
        if damaged:
            return replace(report, damaged=damaged, error=_error(model, pinned, damaged))
        every = [path for path in results if not isinstance(path, corruption.Corruption)]
        paths, adapters = every[: len(candidate.files)], tuple(every[len(candidate.files) :])
        report = replace(
            report,
            path=paths[0],
            hashed_bytes=candidate.total_size,
            hashed_s=time.monotonic() - began + self._seconds_ahead(every),
            trusted=self.quick and not any(path in self.hashed for path in every),
        )
        require_belonging(candidate, paths, adapters)
        try:
            self._check_engine(rung)
            if not self.smoke:
                return report
            task = task_of(model, self.catalog)
            models = [path for path, file in zip(paths, candidate.files, strict=True) if file.role == "model"]
            context = context_of(model)
            pairs = zip(paths, candidate.files, strict=True)
            mmproj = next((path for path, file in pairs if file.role == "mmproj"), None)
            recipe = recipe_of(candidate, task, self.catalog)
            result = None
            if not replace_smoke(candidate.training, model.requested):
                result = prove(
                    models,
                    task,
                    recipe,
                    context=context,
                    need=candidate.memory,
                    mmproj=mmproj,
                    adapters=adapters,
                    local_engine=self.local_engine,
                )
        except EngineError as error:
            return replace(report, error=error)
        if result is not None and not result.passed:
            return replace(report, smoke=result, error=SmokeTestError(result.detail))
        report = replace(report, smoke=result, notes=(*report.notes, *_older_engine(rung, result)))
        if recipe is None:
            return report
        subject = Subject(
            paths=models,
            mmproj=mmproj,
            adapters=adapters,
            recipe=recipe,
            task=task,
            context=context,
            need=candidate.memory,
        )
        return self._check_cases(model, candidate, subject, report)

    def _check_cases(self, model: LockedModel, candidate: LockedCandidate, subject: Subject, report: Report) -> Report:
        """The report with what the project's own checks showed."""
        cases = read_checks(self.directory, model.requested, subject.recipe, subject.task) if self.directory else None
        if cases is None:
            return report
        checked = check(subject, cases, model.requested, local_engine=self.local_engine, full=self.full)
        report = replace(report, checked=checked, notes=(*report.notes, *_other_score(candidate.tested, checked)))
        if checked.passed:
            return report
        return replace(report, error=SmokeTestError(checked.detail, details=checked.details, kind="checks"))

    def _is_there(self, source: Source, file: ModelFile) -> bool:
        """Whether something lies under the file's name, whatever its bytes."""
        link, blob = self.store.link(source, file), self.store.blob(source, file)
        return link.exists() or blob.exists() or link.is_symlink()

    def _look(self, source: Source, file: ModelFile) -> Path | Corruption:
        """The path of a file whose bytes are those of the lock, or what is wrong with it."""
        wrong = corruption.of_place(self.store, source, file)
        path = self.store.find(source, file)
        if wrong is not None or path is None:
            return wrong or corruption.Corruption(file.path, "dangling", "a link to nothing")
        if self._is_trusted(path, file):
            return path
        hashed = self._hash(path)
        if isinstance(hashed, LmpmError):
            return corruption.Corruption(file.path, "unreadable", hashed.message)
        wrong = corruption.of_bytes(path, file, hashed, {k: v for k, v in self.known.items() if k != file.sha256})
        if wrong is not None:
            return wrong
        self.store.accept(file, hashed)
        return path

    def _is_trusted(self, path: Path, file: ModelFile) -> bool:
        return self.quick and self.store.is_stamped(path, file.sha256 or "")

    def _hash(self, path: Path) -> Hashed | LmpmError:
        """What was hashed ahead, unless the file has been touched since."""
        done = self.hashed.get(path)
        with suppress(OSError):
            if isinstance(done, Hashed) and done.stamp == Stamp.of(path):
                return done
        return hash_all([path], workers=1)[path]

    def _seconds_ahead(self, paths: list[Path]) -> float:
        """How long hashing these files ahead took, from the first begun to the last done."""
        done = [item for path in paths if isinstance(item := self.hashed.get(path), Hashed)]
        return max((item.ended_s for item in done), default=0.0) - min((item.began_s for item in done), default=0.0)

    def _check_engine(self, rung: Rung) -> None:
        wanted = rung.candidate.engine
        if wanted and self.engine_build and self.engine_build < wanted:
            raise EngineError(
                f"llama.cpp b{self.engine_build} is too old, {rung.candidate.model} needs b{wanted}",
                hint="Upgrade it: `pip install --upgrade xllamacpp`",
            )

    def _recorded(self, rung: Rung) -> Tested | None:
        """The figures of the lock, where they were measured on a machine of this class, else those of this one."""
        tested = rung.candidate.tested
        like = self.targets.get(tested.on) if tested and tested.on else None
        if like is not None and self.machine.is_like(like):
            return tested
        return self.records.find(rung.candidate.files[0], self.machine) if self.records else None

    def _remarks(self, name: str, rung: Rung) -> tuple[str, ...]:
        """What is worth knowing and is not a failure."""
        candidate = rung.candidate
        notes = []
        if why := self.catalog.withdrawn(candidate.source, candidate.files):
            notes.append(f"nobody should use it any more: {why}; `lmpm update {name}` takes another")
        if rung.judged.is_slow and rung.speed is not None:
            notes.append(f"nothing in the lock is fast enough here: about {rung.speed:.1f} tok/s")
        if self.free_memory is not None and candidate.memory > self.free_memory:
            notes.append(f"only {human(self.free_memory)} of memory is free now, it needs {human(candidate.memory)}")
        return tuple(notes)


def _whole_twins(store: Store, model: LockedModel) -> list[Twin]:
    """The twins of which every file is here."""
    return [twin for twin in model.twins if not missing_files(store, twin)]


def _older_engine(rung: Rung, result: SmokeResult | None) -> Iterable[str]:
    """A remark where llama.cpp is older than the one that the rung was tested with when it was pinned."""
    tested = rung.candidate.tested
    there, here = _release(tested.engine if tested else ""), _release(result.engine_build if result else "")
    if there and here and len(there) == len(here) and here < there:
        numbers = (".".join(map(str, release)) for release in (here, there))
        yield "llama.cpp here is {}, it was tested with {}: `pip install --upgrade xllamacpp`".format(*numbers)


def _other_score(tested: Tested | None, checked: Checked) -> Iterable[str]:
    """A remark where the checks are others than when the rung was pinned, or fewer of the same ones are right."""
    if tested is None or tested.score is None or tested.checks is None:
        return
    if tested.checks != checked.sha256:
        yield "the checks are not those that it was pinned with"
    elif tested.cases == checked.cases and checked.score < tested.score:
        yield f"when it was pinned, {round(tested.score * checked.cases)} of these checks were right"


def _release(build: str) -> tuple[int, ...] | None:
    """The numbers in `llama.cpp 0.5.0-dev (0c1e570)` or `llama.cpp b9200`, None when the build does not say."""
    found = re.search(r"\bllama\.cpp b?(\d{1,6}(?:\.\d{1,6}){0,2})\b", build)
    return tuple(map(int, found[1].split("."))) if found else None


def _error(
    model: LockedModel, pinned: Sequence[tuple[Source, ModelFile]], damaged: tuple[Corruption, ...]
) -> IntegrityError:
    """The error for what is damaged: the two digests of one file, a line for each of several."""
    hint = "Run `lmpm install` to fetch it again"
    wrong = {item.path for item in damaged}
    if own := [file for source, file in pinned if file.path in wrong and isinstance(source, FileSource)]:
        hint = own_file_hint(own)
        hint += f"; or pin what is there now with `lmpm update {model.name}`"
    if len(damaged) > 1:
        lines = [f"{item.path}: {item.detail}" for item in damaged]
        return IntegrityError(f"{len(damaged)} files of `{model.name}` are damaged", details=lines, hint=hint)
    (item,) = damaged
    file = next(file for _, file in pinned if file.path == item.path)
    if item.kind == "changed" and item.computed:
        expected, computed = (file.sha256 or "", file.size), (item.computed, file.size)
        return HashMismatchError(item.path, expected=expected, computed=computed, hint=hint)
    return IntegrityError(f"`{item.path}` of `{model.name}` is damaged: {item.detail}", hint=hint)


def build_number(text: str) -> int | None:
    """`b9200` or `9200 (abc)` as a number, None when the build does not say."""
    found = re.search(r"\bb?(\d{3,6})\b", text)
    return int(found[1]) if found else None
