"""wllama: llama.cpp for browsers, at one version whose files are known by their sha256."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from lmpm.errors import HashMismatchError, IntegrityError, MissingFilesError, NetworkError
from lmpm.fs import atomic, disk_errors

if TYPE_CHECKING:
    from pathlib import Path

    from lmpm.hub import Http

VERSION: Final = "3.13.0"  # of npm's @wllama/wllama, MIT; llama.cpp is inside
URL: Final = f"https://registry.npmjs.org/@wllama/wllama/-/wllama-{VERSION}.tgz"
MAX_PACKAGE_BYTES: Final = 64 * 2**20
# Of the package as it is published: the library, the engine, the licence.
FILES: Final = {
    "wllama/index.min.js": (
        "package/esm/index.min.js",
        "e7f3745ee508c111c22d178d23c52cc74016dd8cec39e4600d87e28d287d7981",
    ),
    "wllama/wllama.wasm": (
        "package/esm/wasm/wllama.wasm",
        "79ac5be917b71d50571a4f584436a9f6baf6b6e57719d094ed8bd950e9a65780",
    ),
    "wllama/LICENCE": ("package/LICENCE", "5866e3bd7e3cbd3f7c8bea6efd8a1e7fa7cc8de68c30f428aff7c6584a0fb720"),
}


def load(home: Path, http: Http | None, package: Path | None = None) -> dict[str, bytes]:
    """The files by their path in an export: as kept below `home`, out of an npm `package`, or from npm's registry.

    Raises MissingFilesError without a network, NetworkError, IntegrityError where they are not those that are known.
    """
    kept = home / "wllama" / VERSION
    found = {name: (kept / name.rpartition("/")[2]) for name in FILES}
    if package is None and all(path.is_file() for path in found.values()):
        files = {name: path.read_bytes() for name, path in found.items()}
        if all(_digest(data) == FILES[name][1] for name, data in files.items()):
            return files
    files = _unpacked(package.read_bytes() if package else _downloaded(http))
    with disk_errors(kept):
        kept.mkdir(parents=True, exist_ok=True)
    for name, path in found.items():
        atomic.write_bytes(path, files[name])
    return files


def _downloaded(http: Http | None) -> bytes:
    if http is None:
        raise MissingFilesError(
            f"wllama {VERSION} is not on this machine, and the network is switched off",
            hint="Name its npm package with `--option wllama=FILE.tgz`",
        )
    from lmpm.hub import status_error, transient_errors

    try:
        with http.get(URL) as answer:
            if answer.status_code != 200:
                raise status_error(answer, "wllama", host="registry.npmjs.org")
            return http.read_body(answer, MAX_PACKAGE_BYTES + 1)
    except transient_errors() as error:
        raise NetworkError(
            "npm's registry cannot be reached, from where the page's engine comes",
            hint="Try again, or name its npm package with `--option wllama=FILE.tgz`",
        ) from error


def _unpacked(data: bytes) -> dict[str, bytes]:
    """The wanted files of a package. Raises IntegrityError."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for name, (inside, digest) in FILES.items():
                member = archive.extractfile(inside)
                content = member.read(MAX_PACKAGE_BYTES) if member else b""
                if _digest(content) != digest:
                    raise HashMismatchError(
                        PurePath(inside).name, expected=(digest, 0), computed=(_digest(content), len(content))
                    )
                found[name] = content
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise IntegrityError(f"That is not the npm package of wllama {VERSION}: {error}") from error
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
