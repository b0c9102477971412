"""What `[policy]` of the manifest forbids among the things that a lock pins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmpm.errors import NotPermittedError
from lmpm.project.lock.twins import Twin
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmpm.project.lock.adapters import LockedAdapter
    from lmpm.project.lock.records import LockedCandidate, LockedModel
    from lmpm.project.manifest import Policy


def violations(pin: LockedCandidate | Twin, policy: Policy) -> Iterator[str]:
    """Why the policy does not allow a rung or a twin, or an adapter of it, in words."""
    yield from _violations(pin, policy)
    for adapter in () if isinstance(pin, Twin) else pin.adapters:
        yield from (f"adapter {adapter}: {reason}" for reason in _violations(adapter, policy))


def _violations(candidate: LockedCandidate | LockedAdapter | Twin, policy: Policy) -> Iterator[str]:
    licenses, publishers = policy.licenses, policy.publishers
    own = _spelled(candidate.license) if licenses.deny or licenses.allow is not None else ""
    if own in licenses.deny:
        yield f"the licence {candidate.license} is denied"
    elif licenses.allow is not None and own not in licenses.allow:
        yield f"the licence {candidate.license} is not among those allowed"
    who = candidate.source.publisher
    if who.lower() in publishers.deny:
        yield f"the publisher {who} is denied"
    elif publishers.allow is not None and who.lower() not in publishers.allow:
        yield f"the publisher {who} is not among those allowed" if who else "it has no publisher that is allowed"
    if policy.max_size is not None and candidate.size > policy.max_size:
        yield f"its {human(candidate.size)} are more than the {human(policy.max_size)} allowed"


def _spelled(name: str) -> str:
    from lmpm.licenses import normalise  # of use with a policy alone

    return normalise(name)


def require_twin_permitted(name: str, twin: Twin, policy: Policy) -> None:
    """Raise NotPermittedError when the policy does not allow a twin."""
    hint = "Name another with `--option twin=ORG/REPO`, or change [policy] in the manifest"
    _require_none(_violations(twin, policy), f"{twin.source} for `{name}`", hint)


def require_permitted(name: str, candidate: LockedCandidate, policy: Policy) -> None:
    """Raise NotPermittedError when the policy does not allow a rung."""
    hint = "Choose anew with `lmpm lock`, or change [policy] in the manifest"
    _require_none(violations(candidate, policy), f"{candidate.model} {candidate.quant} for `{name}`", hint)


def _require_none(reasons: Iterable[str], what: str, hint: str) -> None:
    if details := list(reasons):
        raise NotPermittedError(f"The policy of this project does not allow {what}", details=details, hint=hint)


def require_all_permitted(models: Sequence[LockedModel], policy: Policy) -> None:
    """Raise NotPermittedError, with every reason, when the policy does not allow something that is pinned."""
    reasons = [
        f"`{model.name}` variant {number}, {rung.model} {rung.quant}: {reason}"
        for model in models
        for number, rung in enumerate(model.candidates, start=1)
        for reason in violations(rung, policy)
    ] + [
        f"`{model.name}` twin {twin.source}: {reason}"
        for model in models
        for twin in model.twins
        for reason in _violations(twin, policy)
    ]
    if reasons:
        raise NotPermittedError(
            "`lmpm.lock` pins what the policy of this project does not allow",
            details=reasons,
            hint="To choose anew, run `lmpm lock`",
        )
