"""lmpm, a package manager for local language models.

The public Python API; `docs/python.md` shows it in use. Everything else may change without notice.

```python
import lmpm

result = lmpm.install("text-to-sql")
print(result.models[0].path)
```
"""

from __future__ import annotations

from lmpm.version import __version__ as __version__

TYPE_CHECKING = False  # as `typing` has it, without importing that for `lmpm --version`
if TYPE_CHECKING:
    from lmpm.api import (
        install as install,
        load as load,
        path as path,
        resolve as resolve,
        serve as serve,
        sync as sync,
        verify as verify,
    )
    from lmpm.engine import Answer as Answer, Options as Options
    from lmpm.errors import LmpmError as LmpmError
    from lmpm.project import Project as Project
    from lmpm.runtime import Model as Model
    from lmpm.types import Machine as Machine

__all__ = [
    "Answer",
    "LmpmError",
    "Machine",
    "Model",
    "Options",
    "Project",
    "__version__",
    "install",
    "load",
    "path",
    "resolve",
    "serve",
    "sync",
    "verify",
]

if not TYPE_CHECKING:  # else a checker would take every name for one of lmpm
    _HOMES = {
        "Answer": "engine",
        "Model": "runtime",
        "Options": "engine",
        "load": "api",
        "path": "api",
        "LmpmError": "errors",
        "Machine": "types",
        "Project": "project",
        "install": "api",
        "resolve": "api",
        "serve": "api",
        "sync": "api",
        "verify": "api",
    }

    def __getattr__(name: str) -> object:
        """Import what is asked for when it is first asked for (PEP 562): no name is that of a submodule."""
        if name not in _HOMES:
            raise AttributeError(f"module `lmpm` has no attribute `{name}`")
        from importlib import import_module

        value: object = getattr(import_module(f"lmpm.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
