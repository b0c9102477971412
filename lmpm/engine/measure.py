"""How fast this machine is with its engine: measured on a model made on the spot, and kept.

Tables know chips; a laptop on battery, a cloud's share of a server and a driver are known only by trying. The engine
reads a prompt and writes tokens with a file larger than the caches; what comes out is the bandwidth and the compute
that the formula of speed would need to predict just that.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lmpm.engine import synthetic
from lmpm.engine.protocol import EngineLimits, Files
from lmpm.errors import DiskError, EngineError
from lmpm.estimate import inspect
from lmpm.fs import JsonCache, disk_errors, free_space
from lmpm.gguf import Parts, local_part
from lmpm.limits import GIB, MIB
from lmpm.run_config import RunConfig
from lmpm.types import Fact, Machine

if TYPE_CHECKING:
    from lmpm.engine.interface import Engine
    from lmpm.engine.session import Session
    from lmpm.run_config import Repacking

BUDGET_S: Final = 10.0  # for the runs, beside writing the file
LEAST_RUNS, MOST_RUNS = 3, 15
PROMPT: Final = 64  # tokens that are read: enough that the weights are used many times
ANSWER: Final = 8  # tokens that are written
CONTEXT: Final = 512
CACHE_SHARE: Final = 4  # of the last-level cache: so little of the file is in it that it does not count
USUAL_CACHE: Final = 64 * MIB  # where the system does not say
TO_BE_SEEN: Final = {"cpu": 256 * MIB}  # a file that a token takes long enough with; of a GPU more
ON_A_GPU: Final = 2 * GIB
DISK_SHARE, MEMORY_SHARE = 4, 8  # of what is free, and of the memory: no more than this part of it
ASSUMED_BANDWIDTH: Final = 20 * 10**9  # where a search for the true one begins
WORTH_A_WORD: Final = 0.15  # of the table's figure: a smaller difference leaves that alone
MEMORY: Final = 4 * GIB  # private, of the child
DECLINED: Final = "measuring declined"  # beside what engines showed: notes of `measured` cost every command a look
CACHE_FILES: Final = "cpu*/cache/index*/size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a machine and a build did: bytes a second of weights, FLOP/s of reading, and the speeds they are from.

    `predicted` is the speed of writing that lmpm would have said before, None where it could not.
    """

    bandwidth: int
    compute: float
    decode: float  # tokens per second
    prefill: float
    file_bytes: int
    runs: int
    build: str
    predicted: float | None = None

    def applied_to(self, machine: Machine) -> Machine:
        """The machine with the measured figures, where they differ from its own by more than they scatter."""
        known = machine.bandwidth
        if known is not None and abs(self.bandwidth - known) <= WORTH_A_WORD * known:
            return machine
        fact = Fact("measured", f"here, with {self.build}")
        sources = {**dict(machine.sources), "bandwidth": fact, "compute": fact}
        return replace(machine, bandwidth=self.bandwidth, compute=self.compute, sources=tuple(sources.items()))


def recall(home: Path, machine: Machine, installation: str) -> Measured | None:
    """What was measured on this machine with this installation of the engine, None where nothing was."""
    kept: Any = JsonCache(home / "measured").get(*_key(machine, installation))
    try:
        return Measured(**kept)
    except TypeError:
        return None


def decline(home: Path, machine: Machine, installation: str) -> None:
    """Keep that nobody wants this machine measured with this installation of the engine."""
    JsonCache(home / "engines").put(True, DECLINED, *_key(machine, installation))


def is_declined(home: Path, machine: Machine, installation: str) -> bool:
    """Whether `decline` was called for them."""
    return JsonCache(home / "engines").get(DECLINED, *_key(machine, installation)) is True


def measure(engine: Engine, machine: Machine, home: Path, *, repack: Repacking, folder: Path | None = None) -> Measured:
    """Measure, and keep what was found.

    Raises DiskError without room for a file that is larger than the caches, EngineError when the engine fails.
    """
    with tempfile.TemporaryDirectory(prefix="lmpm-measure-", dir=folder) as place, disk_errors(Path(place)):
        size = _size(machine, Path(place))
        made = synthetic.write(Path(place) / "synthetic.gguf", size)
        config = RunConfig(context=CONTEXT, repack=repack)
        limits = EngineLimits(memory_bytes=MEMORY + 2 * size)
        with engine.open(Files(made.path), config, limits) as session:
            speeds = _run(session)
            build = session.build
        found = _explained(made, machine, config, speeds, build)
    JsonCache(home / "measured").put(asdict(found), *_key(machine, engine.installation() or ""))
    return found


def _key(machine: Machine, installation: str) -> tuple[str, str, str]:
    return machine.name, f"{machine.memory} {machine.vram} {machine.gpus} {machine.cores}", installation


def _size(machine: Machine, folder: Path) -> int:
    """Bytes of the file: as large as shows, within what is free. Raises DiskError."""
    least = CACHE_SHARE * largest_cache()
    wanted = max(least, TO_BE_SEEN.get(machine.accelerator, ON_A_GPU))
    room = min(free_space(folder) // DISK_SHARE, (machine.vram or machine.memory) // MEMORY_SHARE)
    if room < synthetic.layer_bytes():
        raise DiskError(f"There is too little room in `{folder}` to measure", hint="Set TMPDIR to a place with more")
    return min(wanted, room)


def largest_cache() -> int:
    """Bytes of the largest cache of the processor, a usual size where the system does not say."""
    found = [USUAL_CACHE]
    with contextlib.suppress(OSError, ValueError):
        texts = [path.read_text().strip() for path in Path("/sys/devices/system/cpu").glob(CACHE_FILES)]
        found = [int(text.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(text[-1:], 0) for text in texts] or found
    return max(found)


def _run(session: Session) -> list[tuple[float, float]]:
    """Speeds of reading and of writing, several of each, the first run left out: it brings the file into memory."""
    prompt: list[int | str] = [3 + (7 * number) % 500 for number in range(PROMPT)]
    found: list[tuple[float, float]] = []
    began = time.monotonic()
    while len(found) <= LEAST_RUNS or (time.monotonic() - began < BUDGET_S and len(found) <= MOST_RUNS):
        answer = session.complete(prompt, max_tokens=ANSWER, reuse=False)
        if not answer.prefill or not answer.decode:
            raise EngineError("The engine wrote too little to be measured by")
        found.append((answer.prefill, answer.decode))
    return found[1:]


def _explained(
    made: synthetic.Synthetic, machine: Machine, config: RunConfig, speeds: list[tuple[float, float]], build: str
) -> Measured:
    """The bandwidth and compute by which lmpm would predict the median speeds."""
    prefill, decode = (statistics.median(column) for column in zip(*speeds, strict=True))
    parts = Parts(files=(local_part(made.path, made.path.name),))

    def predicted(bandwidth: int | None) -> float | None:
        speed = inspect(parts, replace(machine, bandwidth=bandwidth), config).speed
        return speed.decode if speed else None

    before = predicted(machine.bandwidth)
    bandwidth = machine.bandwidth or ASSUMED_BANDWIDTH
    for _ in range(4):  # the prediction is nearly proportional to the bandwidth
        if (speed := predicted(bandwidth)) is None:
            break
        bandwidth = round(bandwidth * decode / speed)
    return Measured(
        bandwidth=bandwidth,
        compute=2.0 * made.weights * prefill,
        decode=decode,
        prefill=prefill,
        file_bytes=made.size,
        runs=len(speeds),
        build=build,
        predicted=before,
    )
