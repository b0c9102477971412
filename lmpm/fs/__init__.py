"""Reading and writing this machine's files safely."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.fs import (
        atomic as atomic,
        compiled_toml as compiled_toml,
        disk as disk,
        file_lock as file_lock,
        rules as rules,
        toml as toml,
    )
    from lmpm.fs.atomic import disk_error as disk_error
    from lmpm.fs.disk import (
        disk_errors as disk_errors,
        free_space as free_space,
        occupied_by as occupied_by,
        open_regular as open_regular,
        reserve as reserve,
    )
    from lmpm.fs.document import DocumentError as DocumentError, Table as Table
    from lmpm.fs.hashing import (
        Hashed as Hashed,
        hash_all as hash_all,
        hash_one as hash_one,
        usable_cores as usable_cores,
    )
    from lmpm.fs.json_cache import JsonCache as JsonCache, Usage as Usage
    from lmpm.fs.links import How as How, share as share
    from lmpm.fs.rules import printable as printable
    from lmpm.fs.stamp import Stamp as Stamp
    from lmpm.fs.toml import Scalar as Scalar
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "atomic": "atomic disk_error",
            "compiled_toml": "compiled_toml",
            "disk": "disk disk_errors free_space occupied_by open_regular reserve",
            "document": "DocumentError Table",
            "file_lock": "file_lock",
            "hashing": "Hashed hash_all hash_one usable_cores",
            "json_cache": "JsonCache Usage",
            "links": "How share",
            "rules": "printable rules",
            "stamp": "Stamp",
            "toml": "Scalar toml",
        },
    )
