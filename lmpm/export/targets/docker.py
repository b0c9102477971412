"""Docker: a Dockerfile with the model as a layer, and a compose file with it as a volume."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from lmpm.export.record import IMAGE_NAME, Export, Text
from lmpm.export.targets.llama_cpp import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.export.record import Job

NAME: Final = "docker"
SUMMARY: Final = "A Dockerfile with the model as a layer, and a compose file with it as a volume"
OPTIONS: Final[Mapping[str, str]] = {
    "image": "of llama-server, best pinned by digest; ghcr.io/ggml-org/llama.cpp:server",
    "slots": "answers at once, each with the whole context; 1",
}

IMAGE: Final = "ghcr.io/ggml-org/llama.cpp:server"  # tools/server/README.md of llama.cpp


def plan(job: Job) -> Export:
    """A build context of its own, with the files in `models/`."""
    image = job.option("image", IMAGE, IMAGE_NAME, "a name of an image")
    links = job.links("models/")
    inside = {str(path): f"/models/{path_in.path.removeprefix('models/')}"
              for (_, path), path_in in zip(job.files, links, strict=True)}  # fmt: skip
    flags = {key: inside.get(value, value) for key, value in settings(job).items()} | {"host": "0.0.0.0"}  # noqa: S104
    command = [word for key, value in flags.items() for word in ([f"--{key}", value] if value else [f"--{key}"])]
    sums = "".join(f"{link.sha256}  /{link.path}\n" for link in links)
    notes = [] if "@sha256:" in image else [f"the image {image} is not pinned by its digest"]
    return Export(
        target=NAME,
        name=job.name,
        place=job.place or job.current / f"{job.name}-docker",
        links=links,
        texts=(
            Text("SHA256SUMS", sums.encode()),
            Text(".dockerignore", b"*\n!models\n!SHA256SUMS\n"),
            Text("compose.yaml", _compose(job.name, image, command).encode()),
            Text("Dockerfile", _dockerfile(image, command).encode()),
        ),
        notes=(*notes, "`docker build -t NAME .` makes one image; `docker compose up` mounts the files instead"),
    )


def _dockerfile(image: str, command: list[str]) -> str:
    return f"""\
FROM {image}
COPY models/ /models/
COPY SHA256SUMS /models/SHA256SUMS
# the bytes are those of lmpm.lock, or the image is not built
RUN sha256sum -c /models/SHA256SUMS
EXPOSE 8080
HEALTHCHECK --start-period=120s CMD ["curl", "-fsS", "http://127.0.0.1:8080/health"]
CMD {json.dumps(command)}
"""


def _compose(name: str, image: str, command: list[str]) -> str:
    """Strings are JSON, which is YAML."""
    service = re.sub(r"[^a-z0-9_-]", "-", name.lower())
    return f"""\
services:
  {json.dumps(service)}:
    image: {json.dumps(image)}
    command: {json.dumps(command)}
    ports: ["127.0.0.1:8080:8080"]
    volumes: ["./models:/models:ro"]
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
"""
