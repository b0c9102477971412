"""Ray Serve: one file from which a cluster runs as many replicas of the locked model as there is work for.

The file holds the lock with this one candidate; each replica fetches and verifies by it on its own node and runs it
through lmpm's engine (`lmpm.export.replica`). Keys: docs.ray.io, "Serve Config Files" and "Ray Serve Autoscaling".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import ExportError, SpecError
from lmpm.export.record import HOST, Export, Text
from lmpm.types import FileSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job

NAME: Final = "ray"
SUMMARY: Final = "A Ray Serve application whose replicas run the locked model, more of them under load"
OPTIONS: Final[Mapping[str, str]] = {
    "replicas": "at most, for the autoscaler; 3",
    "cpus": "of a replica, also parts such as 0.5; the machine's cores, or 1 beside a GPU",
    "host": "where Serve listens; 127.0.0.1",
    "port": "8000",
}

WAITING_SHARE: Final = 4  # requests that wait in a replica for each that it works on, before others are taken
PATIENCE_S: Final = {"upscale_delay_s": 5, "downscale_delay_s": 60}
LEAVE_S: Final = 300.0  # that a replica has to finish its answers before it goes


def plan(job: Job) -> Export:
    """The file, in a directory of its own. Raises ExportError for a file of the user's own."""
    rung = job.subject.rung
    if rung is None or isinstance(rung.candidate.source, FileSource):
        raise ExportError(
            f"The nodes of a cluster cannot fetch `{job.name}`: it is a file of your own",
            hint="Put it into an image with `lmpm export docker`, or into a registry with `lmpm export oci`",
        )
    text = json.dumps(_config(job), indent=2, ensure_ascii=False) + "\n"  # JSON is YAML
    return Export(
        target=NAME,
        name=job.name,
        place=job.place or job.current / f"{job.name}-ray",
        texts=(Text("serve.yaml", text.encode()),),
        notes=(
            "on each node: pip install 'lmpm[ray]'; then RAY_USAGE_STATS_ENABLED=0 serve run serve.yaml",
            "how many replicas for how many users: docs/cluster.md",
        ),
    )


def _config(job: Job) -> dict[str, Any]:
    slots = job.config.sequences
    return {
        "proxy_location": "EveryNode",
        "http_options": {
            "host": job.option("host", "127.0.0.1", HOST, "a host name or an address"),
            "port": _number(job, "port", 8000, 1, 65535),
            "request_timeout_s": 600,
        },
        "applications": [
            {
                "name": job.name,
                "route_prefix": "/",
                "import_path": "lmpm.export.replica:build",
                "args": {"name": job.name, "lock": job.lock},
                "deployments": [
                    {
                        "name": "Replica",
                        "max_ongoing_requests": slots * (1 + WAITING_SHARE),
                        "autoscaling_config": {
                            "min_replicas": 1,
                            "initial_replicas": 1,
                            "max_replicas": _number(job, "replicas", 3, 1, 1000),
                            "target_ongoing_requests": slots,
                            **PATIENCE_S,
                        },
                        "graceful_shutdown_timeout_s": LEAVE_S,
                        "ray_actor_options": _resources(job),
                    }
                ],
            }
        ],
    }


def _resources(job: Job) -> dict[str, Any]:
    """What a replica takes of its node."""
    has_gpu = job.machine.accelerator in ("cuda", "rocm")
    asked = job.options.get("cpus") or str(1 if has_gpu else job.machine.cores or 1)
    try:
        cpus = float(asked)
    except ValueError:
        cpus = 0.0
    if not 0.01 <= cpus <= 1024:
        raise SpecError(f"`cpus={asked}` is not a number of CPU cores", hint="As in `--option cpus=4`, or `cpus=0.5`")
    found: dict[str, Any] = {"num_cpus": cpus, "memory": job.subject.need}
    return found | ({"num_gpus": 1} if has_gpu else {})


def _number(job: Job, name: str, usual: int, low: int, high: int) -> int:
    asked = job.options.get(name) or str(usual)
    if not (asked.isascii() and asked.isdecimal()) or not low <= int(asked) <= high:
        raise SpecError(f"`{name}={asked}` is not a number from {low} to {high}")
    return int(asked)
