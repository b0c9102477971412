"""Names of the shards of a split model: `NAME-00002-of-00003.gguf`, as `llama-gguf-split` writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = r"(?is)(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<ending>\.gguf\s*)?"


@dataclass(frozen=True, slots=True)
class Shard:
    """The path of one shard. `number` counts from 1; `ending` is `.gguf`, empty where it was cut off."""

    stem: str
    number: int
    count: int
    ending: str

    def sibling(self, number: int) -> str:
        """The path of another shard of the set."""
        return f"{self.stem}-{number:05}-of-{self.count:05}{self.ending}"


def parse_shard(path: str) -> Shard | None:
    """The shard that a path names, with or without its ending; None for a whole file."""
    found = re.fullmatch(_NAME, path)
    return Shard(found["stem"], int(found["number"]), int(found["count"]), found["ending"] or "") if found else None


def missing_shards(paths: list[str]) -> tuple[int, ...]:
    """The numbers that a set lacks; empty for a whole file."""
    shards = [shard for path in paths if (shard := parse_shard(path))]
    count = max((shard.count for shard in shards), default=0)
    return tuple(sorted(set(range(1, count + 1)) - {shard.number for shard in shards}))


def shard_paths(path: Path) -> list[Path]:
    """A file, or all of the set that it is a shard of, in load order, whether they are there or not."""
    shard = parse_shard(path.name)
    return [path.with_name(shard.sibling(number)) for number in range(1, shard.count + 1)] if shard else [path]


def without_number(path: str) -> str:
    """A path as it was before the model was split: the same for all shards of a set."""
    shard = parse_shard(path)
    return f"{shard.stem}{shard.ending}" if shard else path
