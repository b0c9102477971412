"""Find a target, and plan an export of a locked model for it."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from lmpm.errors import ExportError, SpecError, UnknownNameError, nearest
from lmpm.export.record import Job
from lmpm.project import Lock, emit_lock
from lmpm.reporter import Reporter
from lmpm.runtime import find_subject, plan_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lmpm.export.record import Export, Exporter
    from lmpm.export.twins import Found
    from lmpm.project import ActionReporter, Workspace
    from lmpm.run_config import RunConfig
    from lmpm.runtime import Subject

# By the name that users say; each is a module, imported when it is asked for.
MODULES: Final = {
    "llama.cpp": "llama_cpp",
    "ollama": "ollama",
    "lm-studio": "lm_studio",
    "docker": "docker",
    "oci": "oci",
    "kubernetes": "kubernetes",
    "ray": "ray",
    "vllm": "vllm",
    "litert": "litert",
    "webllm": "webllm",
    "browser": "browser",
    "snippets": "snippets",
}
ADAPTED: Final = frozenset({"llama.cpp", "snippets"})  # that can be given a model and its adapters
MAX_SLOTS: Final = 256  # that llama-server runs
ALIASES: Final = {
    "k8s": "kubernetes",
    "llama-cpp": "llama.cpp",
    "llamacpp": "llama.cpp",
    "litert-lm": "litert",
    "lmstudio": "lm-studio",
    "openai": "snippets",
    "tflite": "litert",
    "web-llm": "webllm",
}


def exporter(name: str) -> Exporter:
    """The exporter of this name. Raises UnknownNameError."""
    known = ALIASES.get(name.lower(), name.lower())
    if known not in MODULES:
        raise UnknownNameError(
            "export target", name, suggestions=nearest(name, [*MODULES]), listing="All: `lmpm export --list`"
        )
    return cast("Exporter", import_module(f"lmpm.export.targets.{MODULES[known]}"))


def exporters() -> list[Exporter]:
    """All of them, in the order of their list."""
    return [exporter(name) for name in MODULES]


def plan_export(
    workspace: Workspace,
    target: str,
    name: str,
    *,
    place: Path | None = None,
    places: Mapping[str, Path],
    options: Mapping[str, str],
    download: bool = True,
    reporter: ActionReporter | None = None,
) -> Export:
    """What a target would get of a locked model, whose files are fetched first where `download` allows.

    Raises UnknownNameError, ExportError where the target cannot run it, MissingFilesError, the errors of a download.
    """
    found = exporter(target)
    for option in options:
        if option not in found.OPTIONS:
            listed = ", ".join(f"`{known}`" for known in found.OPTIONS) or "it has none"
            raise SpecError(f"`{found.NAME}` has no option `{option}`", hint=f"Its options: {listed}")
    subject = find_subject(workspace, name, download=download, reporter=reporter)
    if subject.rung is None or subject.locked is None:
        raise SpecError(f"`{name}` is not pinned by a lock", hint=f"Pin it first: `lmpm install {name}`")
    if subject.files.adapters and found.NAME not in ADAPTED:
        raise ExportError(
            f"`{found.NAME}` gets one file, and `{name}` is a model with adapters",
            hint="`lmpm export llama.cpp` passes them as `--lora`; or train a merged model with `lmpm tune`",
        )
    paths = {path.name: path for path in (*subject.paths, *filter(None, [subject.files.mmproj]))}
    candidate, store = subject.rung.candidate, workspace.store
    config = plan_of(subject, workspace.engine, slots=_slots(options))
    files = candidate.files
    job = Job(
        subject=subject,
        task=workspace.catalog.task(subject.task) if subject.task else None,
        files=tuple((file, paths[file.path.rpartition("/")[2]]) for file in files),
        stored={file.path: store.link(candidate.source, file).relative_to(store.root).as_posix() for file in files},
        lock=emit_lock(Lock((replace(subject.locked, candidates=(candidate,)),))),
        config=config,
        need=_need(workspace, subject, config),
        machine=workspace.machine,
        place=place,
        current=workspace.current,
        places=places,
        options=options,
        twin=_twin(workspace, subject, found, options, download=download, reporter=reporter),
    )
    job = replace(job, assets=_assets(workspace, job, found, options))
    return replace(found.plan(job), options=dict(options), twin=job.twin)


def _slots(options: Mapping[str, str]) -> int:
    """Answers at once, each with the whole context. Raises SpecError."""
    said = options.get("slots", "1")
    if not (said.isascii() and said.isdecimal()) or not 1 <= int(said) <= MAX_SLOTS:
        raise SpecError(f"`slots={said}` is not a number from 1 to {MAX_SLOTS}")
    return int(said)


def _need(workspace: Workspace, subject: Subject, config: RunConfig) -> int:
    """Bytes that it takes: what the lock says, or for more slots, what the formula does."""
    if config.sequences == 1:
        return subject.need
    from lmpm.estimate import HParams, exact_memory, gpus_of
    from lmpm.gguf import local_part, read_part

    model = HParams(*(read_part(local_part(path, path.name, None)) for path in subject.paths))
    needed = exact_memory(model, config, gpus_of(workspace.engine.machine)).total
    return max(subject.need, needed + subject.files.adapter_bytes)


def _twin(
    workspace: Workspace,
    subject: Subject,
    found: Exporter,
    options: Mapping[str, str],
    *,
    download: bool,
    reporter: ActionReporter | None,
) -> Found | None:
    """The model in the form that the target needs. Raises ExportError where there is none, and those of the Hub."""
    from lmpm.export import forms, twins

    kind = forms.KINDS.get(found.NAME)
    if kind is None:
        return None
    told = reporter.transfers if reporter else Reporter()
    return twins.find_twin(workspace, subject, kind, options, download=download, reporter=told)


def _assets(workspace: Workspace, job: Job, found: Exporter, options: Mapping[str, str]) -> dict[str, bytes]:
    """Files that the target needs beside the model. Raises IntegrityError, MissingFilesError, NetworkError."""
    if found.NAME != "browser":
        return {}
    from lmpm.export.targets import browser

    browser.weights(job)  # before anything is fetched for what cannot run
    http = None if workspace.offline else workspace.http
    return browser.assets(options, workspace.current, workspace.home, http)
