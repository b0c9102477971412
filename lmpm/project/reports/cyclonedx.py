"""A lock as a CycloneDX bill of materials: every model with its commit, hashes and licence.

cyclonedx-python-lib writes it; it comes with `pip install 'lmpm[bom]'`. The same lock gives the same text: no
date, and a serial number made from the lock.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from lmpm.errors import LmpmError
from lmpm.types import HubSource, StarterSource, UrlSource

if TYPE_CHECKING:
    from lmpm.project.lock.records import Lock, LockedCandidate


def cyclonedx_bom(lock: Lock, lock_text: str, *, version: str) -> str:
    """The bill of materials as CycloneDX 1.6 JSON. Raises LmpmError without the library."""
    try:
        from cyclonedx.model.bom import Bom
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError as error:
        raise LmpmError(
            "A bill of materials needs cyclonedx-python-lib", hint="Install it with `pip install 'lmpm[bom]'`"
        ) from error
    rungs: dict[tuple[object, ...], tuple[LockedCandidate, list[str]]] = {}
    for model in lock.models:
        for rung in model.candidates:
            rungs.setdefault((rung.source, rung.files, rung.adapters), (rung, []))[1].append(model.name)
    made: Any = Bom(
        components=[_component(rung, names) for rung, names in rungs.values()],
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"lmpm.lock\n{lock_text}"),
    )
    made.metadata.timestamp = None
    made.metadata.tools.components.add(
        Component(name="lmpm", version=version, type=ComponentType.APPLICATION, bom_ref=f"lmpm@{version}")
    )
    text: str = JsonV1Dot6(made).output_as_string(indent=2)
    return text


def _licenses(name: str) -> list[Any]:
    from cyclonedx.contrib.license.factories import LicenseFactory

    return [] if name == "unknown" else [LicenseFactory().make_from_string(name)]


def _component(rung: LockedCandidate, names: list[str]) -> Any:
    """One rung: a model with its files below it."""
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalEntity
    from packageurl import PackageURL

    source = rung.source
    owner = purl = None
    revision = rung.files[0].sha256
    if isinstance(source, HubSource):
        owner, _, name = source.repo.partition("/")
        revision = source.revision
        purl = PackageURL("huggingface", owner, name, revision)
    elif isinstance(source, UrlSource):
        qualifiers = {"download_url": source.url, "checksum": f"sha256:{rung.files[0].sha256}"}
        purl = PackageURL("generic", None, rung.files[0].path, None, qualifiers)
    reference = f"{purl or source}#{rung.files[0].path}"
    facts = {
        "lmpm:quant": rung.quant,
        "lmpm:memory": str(rung.memory),
        "lmpm:models": ",".join(sorted(set(names))),
        "lmpm:chat-template-sha256": rung.template,
        "lmpm:repository-id": rung.identity,
        "lmpm:tested-with": rung.tested.engine if rung.tested else None,
        "lmpm:built-in": "true" if isinstance(source, StarterSource) else None,
    }
    return Component(
        name=rung.model,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        version=revision,
        purl=purl,
        bom_ref=reference,
        supplier=OrganizationalEntity(name=owner) if owner else None,
        licenses=_licenses(rung.license),
        properties=[Property(name=name, value=fact) for name, fact in facts.items() if fact],
        components=[
            Component(
                name=file.path,
                type=ComponentType.FILE,
                bom_ref=f"{reference}#{file.sha256}",
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256 or "")],
                properties=[
                    Property(name="lmpm:size", value=str(file.size)),
                    Property(name="lmpm:role", value=role),
                ],
                licenses=_licenses(terms),
            )
            for file, role, terms in (
                *((file, file.role, "unknown") for file in rung.files),
                *((item.file, "adapter", item.license) for item in rung.adapters),
            )
        ],
    )
