"""The store that huggingface_hub (2.0 and later) keeps for repositories that share bytes, below the cache.

```
<root>/models--org--name/blobs/<sha256>  ->  <root>/blobs/<2 hex>/<xet hash>
<root>/blobs/<2 hex>/<xet hash>              the bytes, which are its alone to remove
<root>/blobs/<2 hex>/<xet hash>.refs         the links that lead there, a line each, as paths below the root
<root>/blobs/<2 hex>/<xet hash>.lock         held while they are changed
```
Its `hf download` checks no digest: it links whatever repository asks next to what lies there. So damage is not only
passed by but mended, since every repository that shares the bytes has them from the same place.
"""

from __future__ import annotations

import contextlib
import re
import stat
from typing import TYPE_CHECKING, Final

from lmpm.fs import atomic, file_lock

if TYPE_CHECKING:
    from pathlib import Path

MARKER: Final = ".huggingface-shared-blobs"
_XET_HASH: Final = re.compile(r"[0-9a-f]{64}")


def payload_of(root: Path, blob: Path) -> Path | None:
    """Where the bytes lie that a repository's blob leads to; None unless that is in the shared store."""
    with contextlib.suppress(OSError):
        payload = (blob.parent / blob.readlink()).resolve()
        prefix = root.resolve() / "blobs" / payload.name[:2]
        is_one = _XET_HASH.fullmatch(payload.name) and payload.parent == prefix and (prefix.parent / MARKER).is_file()
        return payload if is_one and stat.S_ISREG(payload.lstat().st_mode) else None
    return None


def mend(root: Path, blob: Path, verified: Path) -> bool:
    """Put the file `verified`, which holds the bytes that `blob` is named after, in the place of a shared payload.

    False, and nothing is changed, where the blob is not shared, where links of another digest lead to the payload,
    or where nobody can say which ones do. Raises DiskError and OSError.
    """
    payload = payload_of(root, blob)
    if payload is None:
        return False
    with file_lock.hold_file_lock(payload.with_name(f"{payload.name}.lock"), waiting=lambda: None):
        if not _is_of_one_digest(root, payload, blob):
            return False
        verified.chmod(stat.S_IMODE(payload.stat().st_mode))
        verified.replace(payload)
        with contextlib.suppress(OSError):  # not every system lets directories be synced
            atomic.sync_directory(payload.parent)
    return True


def _is_of_one_digest(root: Path, payload: Path, blob: Path) -> bool:
    """Whether every link that the manifest knows is named after the same digest as `blob`."""
    try:
        lines = payload.with_name(f"{payload.name}.refs").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    links = [root / line for line in lines]
    return all(link.name == blob.name or payload_of(root, link) != payload for link in links)
