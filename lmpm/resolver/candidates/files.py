"""What the user points at directly: a file on this machine by its hash, or an address with its sha256."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from lmpm.errors import NetworkError, OfflineError, SpecError
from lmpm.estimate import shape_of
from lmpm.fs import rules
from lmpm.gguf import (
    file_name,
    header as gguf_header,
    parse_shard,
    quant,
    require_harmless,
    require_loadable,
    shard_paths,
)
from lmpm.hub import explain, status_error, transient_errors
from lmpm.licenses import normalise
from lmpm.types import FileSource, ModelFile, UrlSource, Variant

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.gguf import Header
    from lmpm.hub import Http
    from lmpm.resolver.reference import UrlReference
    from lmpm.store import Store
    from lmpm.types import Source

FULL_SCORE: Final = 100.0  # there is nothing else to compare it with
_TOTAL: Final = re.compile(r"bytes 0-[0-9]{1,18}/([0-9]{1,18})")


def of_file(path: Path, store: Store, *, directory: Path) -> Variant:
    """A local GGUF, with all shards of its set, hashed now.

    `directory` is the project's: below it the file is known by its path from there, elsewhere by its name
    alone. Raises SpecError when it is not there or its name cannot be pinned, IntegrityError for no GGUF.
    """
    from lmpm.gguf import read_file

    paths = shards(path)
    headers = [read_file(part) for part in paths]  # before gigabytes are hashed
    require_loadable(headers, [part.name for part in paths])
    root = directory.resolve()
    files = []
    for part in paths:
        place = part.resolve()
        name = place.relative_to(root).as_posix() if place.is_relative_to(root) else place.name
        try:
            rules.file_path(name)
        except ValueError as error:
            raise SpecError(f"`{part}` cannot be pinned under its name: {error}") from error
        digest, size = store.digest(part)
        files.append(ModelFile(path=name, size=size, sha256=digest))
    return _variant(headers[0], FileSource(files[0].path, files[0].sha256 or ""), tuple(files))


def of_url(reference: UrlReference, http: Http, store: Store, *, offline: bool) -> Variant:
    """The GGUF at an address: its size and header are asked for, the sha256 is the user's.

    Raises OfflineError when it is not here and the network is off, and the errors of its HTTP status.
    """
    source = UrlSource(reference.url)
    name = _name_at(reference.url)
    if parse_shard(name):
        raise SpecError(f"`{name}` is one shard of several", hint="Join them with `llama-gguf-split --merge`")
    held = store.blob(source, ModelFile(path=name, size=0, sha256=reference.sha256))
    if held.is_file():
        file = ModelFile(path=name, size=held.stat().st_size, sha256=reference.sha256)
        return _variant(gguf_header.read_file(held), source, (file,))
    if offline:
        raise OfflineError(f"`{name}` is not on this machine, and the network is switched off", hint="Drop `--offline`")
    size = size_at(reference.url, http)

    def read_at(offset: int, length: int) -> bytes:
        return _part(reference.url, http, offset, length)[0]

    header = gguf_header.read_header(read_at, size=size, name=name, tensors=False)
    return _variant(header, source, (ModelFile(path=name, size=size, sha256=reference.sha256),))


def size_at(url: str, http: Http) -> int:
    """How long the file at an address is now. Raises the errors of its HTTP status, and NetworkError."""
    _, size = _part(url, http, 0, 4)
    if size is None:
        raise NetworkError(f"`{urlsplit(url).hostname}` does not say how long `{_name_at(url)}` is")
    return size


def _part(url: str, http: Http, offset: int, length: int) -> tuple[bytes, int | None]:
    """Some bytes of the file at an address, and how long the whole is, where that is said."""
    host, name = urlsplit(url).hostname or "", _name_at(url)
    try:
        with http.get(url, start=offset, length=length) as response:
            if response.status_code not in (200, 206):
                raise status_error(response, name, host=host, terms="Ask whoever gave you the URL")
            if response.status_code != 206:
                raise NetworkError(f"`{host}` answered {response.status_code} to a question for a part of `{name}`")
            total = _TOTAL.match(response.headers.get("Content-Range", ""))
            return http.read_body(response, length), int(total[1]) if total else None
    except transient_errors() as error:
        raise NetworkError(f"`{host}` cannot be reached: {explain(error)}") from error


def _name_at(url: str) -> str:
    return unquote(PurePath(urlsplit(url).path).name)


def template_hash(header: Header) -> str | None:
    """sha256 of the chat template that a header holds, None without one."""
    return hashlib.sha256(header.template.encode()).hexdigest() if header.template else None


def _variant(header: Header, source: Source, files: tuple[ModelFile, ...]) -> Variant:
    require_loadable([header], [file.path for file in files])
    require_harmless(header.template, PurePath(files[0].path).name)
    label = quant.from_filename(files[0].path) or header.quant() or quant.UNKNOWN
    weights = 8 * sum(file.size for file in files)
    parameters = sum(tensor.elements for tensor in header.tensors)
    if len(files) > 1 or not parameters:  # the table of tensors is not known, or only that of one shard
        parameters = int(weights / (quant.bits_per_weight(label) or 8.0))
    title = file_name.parse_file_name(PurePath(files[0].path).name).model or _line(header, "general.name") or "model"
    bare = Variant(
        model=title.lower(),
        title=title,
        source=source,
        quant=label,
        license=normalise(_line(header, "general.license") or ""),
        files=files,
        context_length=header.integer("context_length"),
        architecture=header.architecture,
        shape=shape_of(header, parameters=parameters),
        score=FULL_SCORE,
        score_source="named by you",
    )
    template = template_hash(header)
    return replace(bare, template=template, has_template=True if template else False if header.tensors else None)


def shards(path: Path) -> list[Path]:
    """A file, or every shard of the set that it is one of, in load order.

    Raises SpecError for what is not there, or is no file.
    """
    paths = shard_paths(path)
    for part in paths:
        if not part.is_file():
            raise SpecError(_no_file(part))
    return paths


def _no_file(path: Path) -> str:
    name = os.path.normpath(path)  # relative to the project it may be a long way up and down
    if path.is_dir():
        return f"`{name}` is a directory, expected a GGUF file"
    if path.is_symlink() and not path.exists():
        return f"`{name}` is a link to `{path.readlink()}`, which is not there"
    return f"`{name}` is not a regular file" if path.exists() else f"There is no file `{name}`"


def _line(header: Header, key: str) -> str:
    """A line of text of the header, empty where it is none that can be shown."""
    try:
        return rules.line(header.metadata.get(key))
    except ValueError:
        return ""
