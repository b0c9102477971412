"""The variables that hide GPUs from a process, as CUDA and HIP read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from lmpm.types import Fact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmpm.machine.probes import Probes

NVIDIA_VARIABLES: Final = ("CUDA_VISIBLE_DEVICES",)
AMD_VARIABLES: Final = ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")  # HIP reads all three
SHOWN_CHARS: Final = 80

T = TypeVar("T")


class Visible(NamedTuple):
    """What such a variable lets through: numbers of devices, or the beginnings of their UUIDs, in this order."""

    variable: str
    value: str

    @property
    def names(self) -> list[str]:
        """The devices that are named, up to the first that is no name: the driver stops there."""
        names: list[str] = []
        for name in self.value.split(","):
            if not re.fullmatch(r"\d{1,4}|(?:GPU|MIG)-[\w/-]+", name.strip()):
                break
            names.append(name.strip())
        return names

    @property
    def are_numbers(self) -> bool:
        """Whether no UUID is needed."""
        return all(name.isdecimal() for name in self.names)

    @property
    def fact(self) -> Fact:
        """That the variable is set, for people."""
        shown = "".join(char if char.isprintable() else "�" for char in self.value)[:SHOWN_CHARS]
        return Fact("system", f"{self.variable}={shown}")

    def among(self, devices: Sequence[tuple[T, tuple[str, ...]]]) -> list[T]:
        """The devices that it lets through, of those with their names; up to the first that is not there."""
        found: list[T] = []
        for name in self.names:
            meant = [
                device
                for device, names in devices
                if any(one == name or (not name.isdecimal() and one.startswith(name)) for one in names)
            ]
            if len(meant) != 1 or any(meant[0] is one for one in found):  # none, a beginning of several, or named twice
                break
            found += meant
        return found


def choose(probes: Probes, variables: Sequence[str]) -> Visible | None:
    """The first of the variables that is set, None where none is: an empty one hides every device."""
    for variable in variables:
        value = probes.environment(variable)
        if value is not None:
            return Visible(variable, value)
    return None
