"""Which release of llama.cpp is here, as the table of architectures counts them."""

from __future__ import annotations

import re

from lmpm.engine.adapters import llama_cpp_python, xllamacpp


def version() -> tuple[int, ...] | None:
    """The release of llama-cpp-python that is here, or whose architectures xllamacpp has; None without either.

    A build of xllamacpp newer than the one that was compared counts as newer than any release.
    """
    if package := xllamacpp.package_version():
        numbers = _numbers(package)
        return numbers if numbers > xllamacpp.COMPARED else xllamacpp.LIKE_LLAMA_CPP_PYTHON
    release = llama_cpp_python.package_version()
    return _numbers(release) if release else None


def _numbers(release: str) -> tuple[int, ...]:
    found = re.match(r"\d{1,6}(?:\.\d{1,6}){0,3}", release)
    return tuple(map(int, found[0].split("."))) if found else ()
