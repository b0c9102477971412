"""Kubernetes: a Deployment whose init container fetches and verifies the model by the lock, and what belongs to it.

Objects as of Kubernetes 1.29: apps/v1, v1, autoscaling/v2. The queue's length comes from llama-server's `/metrics`
(`llamacpp:requests_deferred`), which an adapter such as prometheus-adapter offers to the autoscaler.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import ExportError, SpecError
from lmpm.export.record import IMAGE_NAME, Export, Text
from lmpm.export.targets.docker import IMAGE
from lmpm.export.targets.llama_cpp import settings
from lmpm.types import FileSource
from lmpm.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job

NAME: Final = "kubernetes"
SUMMARY: Final = "A Deployment that fetches and verifies by the lock, a Service, a volume claim and an autoscaler"
OPTIONS: Final[Mapping[str, str]] = {
    "image": f"of llama-server, best pinned by digest; {IMAGE}",
    "fetcher": "image with Python in which the init container installs lmpm; python:3.12-slim",
    "replicas": "at most, for the autoscaler; 3",
    "slots": "answers at once in a replica, each with the whole context; 1",
    "storage": "class of the volume; the cluster's usual one",
    "access": "mode of the volume; ReadWriteMany, since replicas on several nodes share it",
}

FETCHER: Final = "python:3.12-slim"
SLACK_SHARE: Final = 1.25  # of the planned memory, as a limit
OVERHEAD_BYTES: Final = 512 * 2**20  # of the server beside the plan
ACCESS: Final = "ReadWriteMany|ReadWriteOnce|ReadWriteOncePod|ReadOnlyMany"
STORE_SHARE: Final = 1.2  # of the files' size, for the volume
STORE: Final = "/store"  # where the volume is mounted, in both containers
TARGET_WAITING: Final = "2"  # requests that wait, at which a replica is added


def plan(job: Job) -> Export:
    """One file with all objects, in a directory of its own. Raises ExportError for a file of the user's own."""
    rung = job.subject.rung
    if rung is None or isinstance(rung.candidate.source, FileSource):
        raise ExportError(
            f"A cluster cannot fetch `{job.name}`: it is a file of your own",
            hint="Put it into an image with `lmpm export docker`, or into a registry with `lmpm export oci`",
        )
    objects = [_claim(job), _lock(job), _deployment(job), _service(job), _autoscaler(job)]
    text = "---\n".join(json.dumps(item, indent=2) + "\n" for item in objects)  # JSON is YAML
    notes = ["`kubectl apply -f .`; the autoscaler needs an adapter for the metric llamacpp:requests_deferred"]
    image = job.option("image", IMAGE, IMAGE_NAME, "a name of an image")
    if "@sha256:" not in image:
        notes.append(f"the image {image} is not pinned by its digest")
    return Export(
        target=NAME,
        name=job.name,
        place=job.place or job.current / f"{job.name}-kubernetes",
        texts=(Text("model.yaml", text.encode()),),
        notes=tuple(notes),
    )


def _labels(job: Job) -> dict[str, str]:
    return {"app.kubernetes.io/name": _object(job), "app.kubernetes.io/managed-by": "lmpm"}


def _object(job: Job) -> str:
    """The name of the objects, as RFC 1123 has names of hosts."""
    return re.sub(r"[^a-z0-9-]+", "-", job.name.lower()).strip("-")[:50] or "model"


def _meta(job: Job) -> dict[str, Any]:
    return {"name": _object(job), "labels": _labels(job)}


def _claim(job: Job) -> dict[str, Any]:
    size = int(sum(file.size for file, _ in job.files) * STORE_SHARE)
    spec: dict[str, Any] = {
        "accessModes": [job.option("access", "ReadWriteMany", ACCESS, f"one of {ACCESS.replace('|', ', ')}")],
        "resources": {"requests": {"storage": f"{max(-(-size // 2**30), 1)}Gi"}},
    }
    if "storage" in job.options:
        spec["storageClassName"] = job.option("storage", "", r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "a storage class")
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": _meta(job), "spec": spec}


def _lock(job: Job) -> dict[str, Any]:
    """The lock with the one candidate, so that every node takes the same."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(job), "data": {"lmpm.lock": job.lock}}


def _deployment(job: Job) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "initContainers": [_fetcher(job)],
        "containers": [_server(job)],
        "volumes": [
            {"name": "store", "persistentVolumeClaim": {"claimName": _object(job)}},
            {"name": "project", "configMap": {"name": _object(job)}},
            {"name": "scratch", "emptyDir": {}},
        ],
        "terminationGracePeriodSeconds": 60,
        "automountServiceAccountToken": False,
    }
    if _has_gpu(job):
        pod["nodeSelector"] = {"nvidia.com/gpu.present": "true"}  # a label of NVIDIA's GPU feature discovery
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(job),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": _labels(job)},
            "template": {"metadata": {"labels": _labels(job)}, "spec": pod},
        },
    }


def _server(job: Job) -> dict[str, Any]:
    inside = {str(path): f"{STORE}/hf/hub/{job.stored[file.path]}" for file, path in job.files}
    flags = {key: inside.get(value, value) for key, value in settings(job).items()}
    flags |= {"host": "0.0.0.0", "port": "8080", "metrics": ""}  # noqa: S104 a pod has an address of its own
    probe = {"httpGet": {"path": "/health", "port": "http"}}
    return {
        "name": "server",
        "image": job.options.get("image") or IMAGE,
        "args": [word for key, value in flags.items() for word in ([f"--{key}", value] if value else [f"--{key}"])],
        "ports": [{"name": "http", "containerPort": 8080}],
        "startupProbe": {**probe, "periodSeconds": 5, "failureThreshold": 120},
        "readinessProbe": {**probe, "periodSeconds": 5},
        "livenessProbe": {**probe, "periodSeconds": 20, "failureThreshold": 3},
        "resources": _resources(job),
        "securityContext": _CONFINED,
        "volumeMounts": [{"name": "store", "mountPath": STORE, "readOnly": True}],
    }


_CONFINED: Final = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def _has_gpu(job: Job) -> bool:
    return job.machine.accelerator == "cuda"


def _resources(job: Job) -> dict[str, Any]:
    """What a replica asks for: the planned memory, and a GPU where it was planned for one."""
    need = job.need
    limits: dict[str, Any] = {"memory": f"{-(-int(need * SLACK_SHARE + OVERHEAD_BYTES) // 2**20)}Mi"}
    if _has_gpu(job):
        limits["nvidia.com/gpu"] = 1
    return {"requests": {"memory": f"{-(-(need + OVERHEAD_BYTES) // 2**20)}Mi", "cpu": "2"}, "limits": limits}


def _fetcher(job: Job) -> dict[str, Any]:
    """Fetches what the lock pins onto the volume, and hashes it; the server starts once that has ended well."""
    script = "\n".join(
        [
            "set -eu",
            f"pip install --quiet --target /tmp/lmpm lmpm=={__version__}",
            "mkdir -p /tmp/work && cp /project/lmpm.lock /tmp/work/ && cd /tmp/work",
            "export PYTHONPATH=/tmp/lmpm",
            f"python -m lmpm verify {shlex.quote(job.name)} --fetch --no-test",
        ]
    )
    return {
        "name": "fetch",
        "image": job.option("fetcher", FETCHER, IMAGE_NAME, "a name of an image"),
        "command": ["sh", "-c", script],
        "env": [
            {"name": "HF_HOME", "value": f"{STORE}/hf"},
            {"name": "LMPM_HOME", "value": f"{STORE}/lmpm"},
            {
                "name": "HF_TOKEN",
                "valueFrom": {"secretKeyRef": {"name": "huggingface", "key": "token", "optional": True}},
            },
        ],
        "securityContext": _CONFINED,
        "volumeMounts": [
            {"name": "store", "mountPath": STORE},
            {"name": "project", "mountPath": "/project"},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 the pod's own
        ],
    }


def _service(job: Job) -> dict[str, Any]:
    spec = {"selector": _labels(job), "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _meta(job), "spec": spec}


def _autoscaler(job: Job) -> dict[str, Any]:
    replicas = job.options.get("replicas") or "3"
    if not replicas.isdecimal() or not 1 <= int(replicas) <= 1000:
        raise SpecError(f"`replicas={replicas}` is not a number from 1 to 1000")
    metric = {
        "type": "Pods",
        "pods": {
            "metric": {"name": "llamacpp:requests_deferred"},
            "target": {"type": "AverageValue", "averageValue": TARGET_WAITING},
        },
    }
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": _object(job)},
        "minReplicas": 1,
        "maxReplicas": int(replicas),
        "metrics": [metric],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
    }
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": _meta(job), "spec": spec}
