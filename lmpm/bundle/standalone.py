#!/usr/bin/env python3
"""Check a bundle of models: `python verify.py`, with nothing but Python's standard library.

This file travels in every bundle, so that the other side of an air gap can check it before lmpm is there; lmpm checks
bundles with it too. Each byte is read once. What is missing, short, changed, linked, listed twice, outside of the
bundle, or in it without being listed, is named, and the bundle refused.

`--expect HEX` is the sha256 of BUNDLE.json as its maker gave it, by another way than the bundle's: without it a bundle
is only known to be whole, not whose it is. Ends with 0 when the bundle is as it was made, 4 when it is not, 2 for a
wrong call.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import stat
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

FORMAT = 1  # of BUNDLE.json
INDEX = "BUNDLE.json"
LOCK = "lmpm.lock"
FOLDER = "lmpm-bundle"  # that holds everything in a tar
MAX_INDEX_BYTES = 16 * 2**20
MAX_FILES = 100_000
CHUNK_BYTES = 2**20
NAME = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)*")
MAX_NAME = 255
DIGEST = re.compile(r"[0-9a-f]{64}")

Kind = Literal["missing", "size", "changed", "extra", "link", "name", "index"]
Sized = tuple[int, str]  # size and sha256
Started = Callable[[str, int], None]


@dataclass(frozen=True)
class Problem:
    """What is wrong with one file of a bundle."""

    path: str
    kind: Kind
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class BundleError(ValueError):
    """The bundle has no index that can be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class Checked:
    """What was found. `index` is BUNDLE.json, `sha256` that of its bytes, `files` are size and sha256 by path."""

    index: dict[str, Any]
    sha256: str
    files: dict[str, Sized]
    problems: tuple[Problem, ...]

    @property
    def size(self) -> int:
        """Bytes of all listed files."""
        return sum(size for size, _ in self.files.values())


@dataclass(frozen=True)
class Entry:
    """Something that is in a bundle. A file can be opened; `place` is where it lies, unless in a tar."""

    path: str
    kind: Literal["file", "folder", "link", "other"]
    size: int = 0
    open: Callable[[], IO[bytes]] | None = None
    place: Path | None = None


def check(
    place: str | os.PathLike[str], expected: str = "", started: Started | None = None, *, blobs: bool = True
) -> Checked:
    """Check the bundle at `place`, a directory or a tar; `started` is called with the path and size of each file.

    Without `blobs` the bytes of the models are left to who reads them next: all else is looked at. Raises BundleError
    without a readable index, OSError where a file cannot be read.
    """
    if Path(place).is_dir():
        return _check(lambda: in_directory(place), expected, started, blobs)
    with open_tar(place) as archive:
        try:
            return _check(lambda: in_tar(archive), expected, started, blobs)
        except tarfile.TarError as error:
            raise _no_tar(place, error) from error


def open_tar(place: str | os.PathLike[str]) -> tarfile.TarFile:
    """A tar to read. Raises BundleError where it is not one."""
    try:
        return tarfile.open(place, "r:")
    except tarfile.TarError as error:
        raise _no_tar(place, error) from error


def _no_tar(place: str | os.PathLike[str], error: Exception) -> BundleError:
    return BundleError(Problem(Path(place).name, "index", f"not a tar, or cut off: {error}"))


def read_index(data: bytes) -> tuple[dict[str, Any], dict[str, Sized]]:
    """BUNDLE.json from its bytes, and the files that it lists. Raises BundleError."""
    try:
        index = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
        files = _listed(index["bundle"], index["files"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"no `{error.args[0]}`" if isinstance(error, KeyError) else str(error)
        raise BundleError(Problem(INDEX, "index", why)) from error
    return index, files


def _listed(version: object, items: list[dict[str, Any]]) -> dict[str, Sized]:
    if version != FORMAT:
        raise ValueError(f"format {version!r}, expected {FORMAT}: a newer lmpm made it")
    if len(items) > MAX_FILES:
        raise ValueError(f"more than {MAX_FILES} files")
    files: dict[str, Sized] = {}
    folded: set[str] = set()
    for item in items:
        path, size, digest = item["path"], item["size"], item["sha256"]
        if not is_name(path) or path == INDEX:
            raise ValueError(f"{path!r} is not a name of a file in a bundle")
        if path.casefold() in folded:
            raise ValueError(f"{path!r} is listed twice, or differs from another name in capitals alone")
        if type(size) is not int or size < 0 or not isinstance(digest, str) or not DIGEST.fullmatch(digest):
            raise ValueError(f"{path!r} has no size and sha256")
        if path.startswith("blobs/") and path != f"blobs/sha256/{digest}":
            raise ValueError(f"{path!r} is not named by its sha256")
        folded.add(path.casefold())
        files[path] = (size, digest)
    if LOCK not in files:
        raise ValueError(f"no {LOCK}")
    return files


def is_name(path: object) -> bool:
    """Whether a path may stand in a bundle: relative, plain letters, no part that is hidden or goes up."""
    return isinstance(path, str) and len(path) <= MAX_NAME and NAME.fullmatch(path) is not None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _check(entries: Callable[[], Iterable[Entry]], expected: str, started: Started | None, blobs: bool) -> Checked:
    """Compare what is there with what is listed."""
    data = _index_bytes(entries())
    digest = hashlib.sha256(data).hexdigest()
    index, files = read_index(data)
    problems = []
    if expected and expected.lower() != digest:
        problems.append(Problem(INDEX, "changed", f"sha256 {digest}, expected {expected.lower()}"))
    seen: set[str] = set()
    for entry in entries():
        if entry.kind == "folder":
            continue
        if entry.path in seen:
            problems.append(Problem(entry.path, "name", "is there twice"))
            continue
        seen.add(entry.path)
        if entry.path != INDEX or entry.kind != "file":
            reads = blobs or not entry.path.startswith("blobs/")
            problems += _problems(entry, files.get(entry.path), started, reads)
    problems += [Problem(path, "missing", "not there") for path in sorted(files.keys() - seen)]
    return Checked(index, digest, files, tuple(problems))


def _index_bytes(entries: Iterable[Entry]) -> bytes:
    found = next((entry for entry in entries if entry.path == INDEX), None)
    if found is None:
        raise BundleError(Problem(INDEX, "index", "not there: this is not a bundle, or one that was never finished"))
    if found.open is None or found.size > MAX_INDEX_BYTES:
        raise BundleError(Problem(INDEX, "index", "not a file of a reasonable size"))
    with found.open() as opened:
        return opened.read(MAX_INDEX_BYTES + 1)


def _problems(entry: Entry, listed: Sized | None, started: Started | None, reads: bool) -> Iterator[Problem]:
    """What is wrong with one entry, none when it is the file that is listed."""
    if entry.kind == "link":
        yield Problem(entry.path, "link", "a link, expected the file itself")
    elif entry.open is None:
        yield Problem(entry.path, "link", "not a regular file of the bundle")
    elif listed is None:
        yield Problem(entry.path, "extra", f"not listed in {INDEX}")
    elif entry.size != listed[0]:
        yield Problem(entry.path, "size", f"{entry.size} bytes, expected {listed[0]}")
    elif reads:
        if started:
            started(entry.path, entry.size)
        size, digest = _hash(entry.open)
        if (size, digest) != listed:
            yield Problem(entry.path, "changed", f"sha256 {digest}, expected {listed[1]}")


def _hash(open_file: Callable[[], IO[bytes]]) -> Sized:
    digest, size = hashlib.sha256(), 0
    with open_file() as opened:
        while chunk := opened.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def in_directory(place: str | os.PathLike[str]) -> Iterator[Entry]:
    """Everything below a directory, by its path there; links are named, never followed."""
    for folder, names, files in os.walk(place):
        names.sort()
        for name in (*names, *sorted(files)):
            full = Path(folder, name)
            path = full.relative_to(place).as_posix()
            facts = full.lstat()
            if stat.S_ISREG(facts.st_mode):
                yield Entry(path, "file", facts.st_size, _opener(full), full)
            elif stat.S_ISLNK(facts.st_mode):
                yield Entry(path, "link")
            else:
                yield Entry(path, "folder" if stat.S_ISDIR(facts.st_mode) else "other")


def _opener(full: Path) -> Callable[[], IO[bytes]]:
    return lambda: full.open("rb")


def in_tar(archive: tarfile.TarFile) -> Iterator[Entry]:
    """Everything in a tar, by its path in the bundle; what lies outside of its folder keeps its name."""
    for member in archive:
        inside = member.name.startswith(f"{FOLDER}/")
        path = member.name[len(FOLDER) + 1 :] if inside else member.name
        if member.issym() or member.islnk():
            yield Entry(path, "link")
        elif member.isdir():
            yield Entry(path, "folder")
        elif member.isreg() and inside:
            yield Entry(path, "file", member.size, _member_opener(archive, member))
        else:
            yield Entry(path, "other")


def _member_opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        found = archive.extractfile(member)
        if found is None:
            raise tarfile.ReadError(f"{member.name} cannot be read")
        return found

    return opened


def main(arguments: list[str] | None = None) -> int:
    """Check the bundle that this file is in, or the one that is named, and say what is wrong."""
    parser = argparse.ArgumentParser(description="Check a bundle of models.")
    parser.add_argument("place", nargs="?", default=Path(__file__).resolve().parent, help="folder or tar")
    parser.add_argument("--expect", default="", metavar="HEX", help="the sha256 that BUNDLE.json must have")
    asked = parser.parse_args(arguments)
    try:
        found = check(asked.place, asked.expect, lambda path, size: print(f"{size:14,}  {path}", file=sys.stderr))
    except (BundleError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 4
    for problem in found.problems:
        print(f"error: {problem}", file=sys.stderr)
    if found.problems:
        return 4
    print(f"{found.sha256}  {INDEX}")
    print(f"{len(found.files):,} files, {found.size:,} bytes: as they were made")
    return 0


if __name__ == "__main__":
    sys.exit(main())
