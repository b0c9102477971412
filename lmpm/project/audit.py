"""What is risky about the things that a lock pins: licences, publishers, known-bad files, changes on the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from lmpm.errors import DiskError, IntegrityError
from lmpm.licenses import LICENSES, normalise
from lmpm.project import upstream
from lmpm.project.lock.facts import disagreements
from lmpm.project.policy import violations
from lmpm.resolver import foreign_template
from lmpm.types import HubSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lmpm.catalog import Catalog
    from lmpm.hub import Hub
    from lmpm.project.lock.records import Lock, LockedCandidate, LockedModel
    from lmpm.project.lock.twins import Twin
    from lmpm.project.manifest import Policy
    from lmpm.project.upstream import ChangeKind
    from lmpm.store import Store

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that is looked for, and how grave it is."""

    id: str
    level: Level
    title: str


RULES: Final[Mapping[str, Rule]] = {
    rule.id: rule
    for rule in (
        Rule("policy", "error", "The policy of the project forbids it"),
        Rule("withdrawn", "error", "It stands on the catalog's list of files that nobody should use"),
        Rule("bytes-changed", "error", "A file has other bytes under the same commit"),
        Rule("facts-differ", "error", "The lock says of a file what the verified file does not"),
        Rule("re-registered", "error", "Another repository has the name now, or another history"),
        Rule("license-unknown", "warning", "No licence is stated"),
        Rule("license-restricted", "warning", "The licence does not permit commercial use"),
        Rule("license-custom", "note", "The licence is one of its own, to be read by a person"),
        Rule("gated", "warning", "The publisher asks for an account and an agreement"),
        Rule("gone", "warning", "The repository is gone, private, or has another name"),
        Rule("template-changed", "warning", "The newest commit has another chat template"),
        Rule("license-changed", "warning", "The newest commit has another licence"),
        Rule("template-code", "error", "The chat template would run code where it is rendered without a sandbox"),
        Rule("template-suspicious", "warning", "The chat template holds what no template needs"),
        Rule("template-differs", "note", "The chat template is not that of the model's original repository"),
        Rule("template-missing", "warning", "No chat template is known for a model that is talked to"),
        Rule("publisher-unknown", "note", "The publisher is not known to the catalog"),
        Rule("leaves-machine", "note", "Prompts may be sent to a provider"),
        Rule("not-tested", "note", "Nobody ran it when it was pinned"),
    )
}
_OF_CHANGE: Final[Mapping[ChangeKind, str]] = {
    "bytes": "bytes-changed",
    "identity": "re-registered",
    "history": "re-registered",
    "gated": "gated",
    "gone": "gone",
    "moved": "gone",
    "template": "template-changed",
    "license": "license-changed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that a rung of a locked model, or a twin of it, breaks. `rung` counts from 1."""

    rule: Rule
    model: str
    rung: int
    title: str
    detail: str


def audit_lock(
    lock: Lock, policy: Policy, catalog: Catalog, hub: Hub | None, store: Store | None = None
) -> list[Finding]:
    """Everything that is found, the gravest first; without a `hub` from the lock and the catalog alone.

    With a `store` the files that are here are asked, too: for their chat templates, and whether the lock says of them
    what they say. Raises NetworkError when the Hub cannot be asked.
    """
    findings = [
        Finding(rule=RULES[rule], model=model.name, rung=number, title=f"{rung.model} {rung.quant}", detail=detail)
        for model in lock.models
        for number, rung in enumerate(model.candidates, start=1)
        for rule, detail in (*_of_rung(rung, policy, catalog, hub), *_of_template(rung, hub, store))
    ]
    findings += [
        Finding(rule=RULES[rule], model=model.name, rung=_number(model, twin), title=_title(twin), detail=detail)
        for model in lock.models
        for twin in model.twins
        for rule, detail in _of_twin(twin, policy, catalog, hub)
    ]
    findings += _of_routes(lock)
    if store is not None:
        findings += (
            Finding(rule=RULES["facts-differ"], model=model.name, rung=item.rung, title=item.title, detail=item.detail)
            for model in lock.models
            for item in disagreements(model, store, catalog)
        )
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(findings, key=lambda item: (order[item.rule.level], item.model, item.rung, item.rule.id))


def _of_routes(lock: Lock) -> Iterator[Finding]:
    """Where requests may go, by route."""
    providers = {provider.name: provider for provider in lock.providers}
    for route in lock.routes:
        for name in route.providers:
            provider = providers[name]
            detail = f"prompts may go to {provider.base_url} ({provider.model}), {route.privacy}"
            yield Finding(rule=RULES["leaves-machine"], model=route.name, rung=0, title=f"cloud:{name}", detail=detail)


def audit_exit_code(findings: Iterable[Finding]) -> int:
    """4 when bytes or identities changed, 9 for what is forbidden, 0 for warnings and notes alone."""
    errors = {finding.rule.id for finding in findings if finding.rule.level == "error"}
    if errors & {"bytes-changed", "facts-differ", "re-registered"}:
        return 4
    return 9 if errors else 0


def _of_rung(rung: LockedCandidate, policy: Policy, catalog: Catalog, hub: Hub | None) -> Iterator[tuple[str, str]]:
    yield from _of_pin(rung, policy, catalog)
    for adapter in rung.adapters:
        yield from ((rule, f"adapter {adapter}: {detail}") for rule, detail in _license(adapter.license))
        if why := catalog.withdrawn(adapter.source, adapter.files):
            yield "withdrawn", f"adapter {adapter}: {why}"
        if isinstance(adapter.source, HubSource) and catalog.publisher(adapter.source.repo) is None:
            yield (
                "publisher-unknown",
                f"{adapter.source.publisher}, of {adapter}, is not among the publishers of the catalog",
            )
    if isinstance(rung.source, HubSource) and rung.template is None and rung.answer_tokens:
        yield "template-missing", "no chat template was found when it was pinned"
    if rung.tested is None:
        yield "not-tested", "it was not tested when it was pinned"
    if hub is not None:
        for change in upstream.changes(rung, hub, catalog):
            if change.kind in _OF_CHANGE:
                yield _OF_CHANGE[change.kind], change.detail


def _of_twin(twin: Twin, policy: Policy, catalog: Catalog, hub: Hub | None) -> Iterator[tuple[str, str]]:
    """A twin is from a repository of its own: what is asked of a rung is asked of it."""
    yield from _of_pin(twin, policy, catalog)
    for change in upstream.changes_of_twin(twin, hub) if hub is not None else ():
        if change.kind in _OF_CHANGE:
            yield _OF_CHANGE[change.kind], change.detail


def _of_pin(pin: LockedCandidate | Twin, policy: Policy, catalog: Catalog) -> Iterator[tuple[str, str]]:
    yield from (("policy", reason) for reason in violations(pin, policy))
    if why := catalog.withdrawn(pin.source, pin.files):
        yield "withdrawn", why
    yield from _license(pin.license)
    if isinstance(pin.source, HubSource) and catalog.publisher(pin.source.repo) is None:
        yield "publisher-unknown", f"{pin.source.publisher} is not among the publishers of the catalog"


def _number(model: LockedModel, twin: Twin) -> int:
    """The rung, from 1, that a twin is of."""
    return 1 + [rung.files[0].sha256 for rung in model.candidates].index(twin.of)


def _title(twin: Twin) -> str:
    return f"twin {twin.source.repo} {twin.form}"


def _of_template(rung: LockedCandidate, hub: Hub | None, store: Store | None) -> Iterator[tuple[str, str]]:
    """What is found in the chat template of a file that is here."""
    path = store.find(rung.source, rung.files[0]) if store else None
    if path is None:
        return
    from lmpm.gguf import check_template, read_file

    try:
        template = read_file(path).template
    except (IntegrityError, DiskError):
        return  # `verify` names what is wrong with a file
    if hub is not None and (other := foreign_template(rung.source, template, hub)):
        yield "template-differs", other
    for item in check_template(template, talks=False):
        yield "template-code" if item.severity == "error" else "template-suspicious", item.detail


def _license(name: str) -> Iterator[tuple[str, str]]:
    known = LICENSES.get(normalise(name))
    if known is None:
        yield "license-custom", f"`{name}` is a licence of its own: read its terms"
    elif known.id in ("unknown", "other"):
        yield "license-unknown", f"the licence is {known.id}: {known.note or 'read the model card'}"
    elif not known.commercial:
        yield "license-restricted", f"{known.title}: {known.note or 'no commercial use'}"
