"""xllamacpp's server in the child: llama-server inside this process."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine.adapters.xllamacpp import extension, numbered
from lmpm.engine.worker import Listening

if TYPE_CHECKING:
    from collections.abc import Mapping

_kept: Final[list[Any]] = []  # the server ends with the process: deleting it may wait for half a minute


def prepare(_task: Mapping[str, Any]) -> None:
    """Import the extension."""
    import xllamacpp  # noqa: F401


def serve(task: Mapping[str, Any]) -> Listening:
    """Load the model and listen at a UNIX socket, or at a free port of 127.0.0.1 where there are none."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    for name, value in task["settings"].items():
        *path, last = name.split(".")
        holder = params
        for part in path:
            holder = getattr(holder, part)
        if name == "speculative.types":
            value = [xllamacpp.common_speculative_type(number) for number in value]
        if name == "lora_adapters":
            value = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in value]
        setattr(holder, last, value)
    params.hostnames, params.port = [task["socket"] or "127.0.0.1"], 0
    params.api_keys = [task["key"]]
    _kept.append(xllamacpp.Server(params))
    return Listening(str(_kept[0].listening_address), os.getpid(), build=numbered(_version(), task["number"]))


def _version() -> str:
    """The version of llama.cpp; empty where the extension exports nothing, as on Windows."""
    place = extension()
    if place is None or place.suffix == ".pyd":
        return ""
    library = ctypes.CDLL(os.fspath(place))  # loaded already
    library.llama_version.restype = ctypes.c_char_p
    return f"llama.cpp {library.llama_version().decode('utf-8', 'replace')}"


def describe() -> dict[str, Any]:
    """What the build says of itself through Python, where its C functions cannot be called."""
    import xllamacpp

    kinds = {"CPU": "cpu", "GPU": "gpu", "IGPU": "integrated"}
    devices = [
        {
            "name": str(device["name"]),
            "description": str(device["description"]),
            "kind": kinds.get(str(device["type"]).rpartition("_")[2].upper(), "accelerator"),
            "memory": int(device["memory_total"]),
        }
        for device in xllamacpp.get_device_info()
    ]
    system_info = str(xllamacpp.get_system_info()).strip(" |\n")
    return {"build": "", "system_info": system_info, "devices": devices, "plans": False, "vision": True}
