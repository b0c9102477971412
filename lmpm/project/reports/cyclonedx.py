"""A lock as a CycloneDX bill of materials: every model with its commit, hashes and licence.

cyclonedx-python-lib writes it; it comes with `pip install 'lmpm[bom]'`. The same lock gives the same text: no
date, and a serial number made from the lock.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from lmpm.errors import LmpmError
from lmpm.project.lock.twins import Twin
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
    pins: dict[tuple[object, ...], tuple[LockedCandidate | Twin, list[str]]] = {}
    for model in lock.models:
        for pin in model.pinned:
            adapters = () if isinstance(pin, Twin) else pin.adapters
            pins.setdefault((pin.source, pin.files, adapters), (pin, []))[1].append(model.name)
    made: Any = Bom(
        components=[_component(pin, names) for pin, names in pins.values()],
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


def _component(pin: LockedCandidate | Twin, names: list[str]) -> Any:
    """One rung or twin: a model with its files below it."""
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalEntity
    from packageurl import PackageURL

    source = pin.source
    owner = purl = None
    revision = pin.files[0].sha256
    if isinstance(source, HubSource):
        owner, _, name = source.repo.partition("/")
        revision = source.revision
        purl = PackageURL("huggingface", owner, name, revision)
    elif isinstance(source, UrlSource):
        qualifiers = {"download_url": source.url, "checksum": f"sha256:{pin.files[0].sha256}"}
        purl = PackageURL("generic", None, pin.files[0].path, None, qualifiers)
    reference = f"{purl or source}#{pin.files[0].path}"
    facts = {"lmpm:models": ",".join(sorted(set(names)))} | (_of_twin(pin) if isinstance(pin, Twin) else _of_rung(pin))
    return Component(
        name=pin.source.name if isinstance(pin, Twin) else pin.model,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        version=revision,
        purl=purl,
        bom_ref=reference,
        supplier=OrganizationalEntity(name=owner) if owner else None,
        licenses=_licenses(pin.license),
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
                *((file, file.role, "unknown") for file in pin.files),
                *((item.file, "adapter", item.license) for item in (() if isinstance(pin, Twin) else pin.adapters)),
            )
        ],
    )


def _of_rung(rung: LockedCandidate) -> dict[str, str | None]:
    return {
        "lmpm:quant": rung.quant,
        "lmpm:memory": str(rung.memory),
        "lmpm:chat-template-sha256": rung.template,
        "lmpm:repository-id": rung.identity,
        "lmpm:tested-with": rung.tested.engine if rung.tested else None,
        "lmpm:built-in": "true" if isinstance(rung.source, StarterSource) else None,
    }


def _of_twin(twin: Twin) -> dict[str, str | None]:
    return {"lmpm:form": twin.form, "lmpm:twin-of": f"sha256:{twin.of}", "lmpm:base-model": twin.base_model}
