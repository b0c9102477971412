"""Damage to the header of a GGUF file, reproducible from a seed."""

from __future__ import annotations

import random
import struct


def mutate(data: bytes, end: int, rng: random.Random) -> bytes:
    """One to four flips, large numbers, cuts, splices or changed types within the first `end` bytes."""
    mutant = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(end if rng.random() < 0.5 else min(end, 900))
        match rng.randrange(5):
            case 0:
                mutant[at] ^= 1 << rng.randrange(8)
            case 1:
                mutant[at : at + 8] = rng.choice([b"\xff" * 8, struct.pack("<Q", 1 << 62), b"\0" * 8])
            case 2:
                del mutant[at : at + rng.randint(1, 100)]
            case 3:
                start = rng.randrange(end)
                mutant[at:at] = data[start : start + rng.randint(1, 100)]
            case _:
                mutant[at : at + 4] = struct.pack("<I", rng.choice([0, 8, 9, 12, 13, 1 << 31]))
    return bytes(mutant)
