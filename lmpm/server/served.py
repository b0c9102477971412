"""A model that a running front of this machine has, asked from another process as if it were loaded there.

A front leaves a note of itself. What a note says is not believed: a front must prove that it wrote the note, and say
itself that it has the very files that the lock pins.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from lmpm.engine import EngineLimits, RemoteSession, Service
from lmpm.errors import LmpmError
from lmpm.fs import atomic, disk, hash_one
from lmpm.run_config import RunConfig
from lmpm.runtime import Model
from lmpm.server.guard import LOCAL_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lmpm.runtime import Subject

FOLDER: Final = "serving"
MAX_NOTE_BYTES: Final = 4096
MAX_ROW_BYTES: Final = 1024 * 1024
LOOK_S: Final = 1.0  # for a front to say what it has
ANSWER_S: Final = 600.0  # as for a model that is loaded here
CHALLENGE: Final = "x-lmpm-challenge"
PROOF: Final = "x-lmpm-proof"
USABLE: Final = frozenset({"ready", "loading", "unloaded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A front: where it listens, the sha256 of its lock, and the variable that holds the key of its clients.

    `secret` is known to the front and to who may read the note.
    """

    url: str
    lock: str
    pid: int
    key_variable: str | None = None
    secret: str = field(repr=False)

    def write(self, home: Path) -> None:
        """Leave it for others of this user. Raises DiskError."""
        path = self._path(home)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fields = {"url": self.url, "lock": self.lock, "pid": self.pid, "secret": self.secret}
        if self.key_variable:
            fields["key_variable"] = self.key_variable
        atomic.write_text(path, json.dumps(fields))

    def remove(self, home: Path) -> None:
        """Take it away."""
        with contextlib.suppress(OSError):
            self._path(home).unlink()

    def _path(self, home: Path) -> Path:
        return home / FOLDER / f"{self.pid}-{urlsplit(self.url).port}.json"


def proof_of(secret: str, challenge: str) -> str:
    """What only one who knows the secret can say to a challenge."""
    return hmac.new(secret.encode(), challenge.encode(), hashlib.sha256).hexdigest()


def hash_lock(path: Path) -> str:
    """The sha256 of a lock; empty where there is none."""
    try:
        return hash_one(path).sha256
    except LmpmError:
        return ""


def _is_gone(pid: int) -> bool:
    """Whether no process has this number any more; False where the system cannot be asked."""
    if os.name != "posix":  # elsewhere the question would end the process
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def find_served(
    home: Path, lock: Path, subject: Subject, environ: Mapping[str, str], *, context: int | None = None
) -> Model | None:
    """The model behind a running front of this lock; None where no front has these files for so long a context.

    `environ` has the key of the front, where it demands one.
    """
    wanted = hash_lock(lock)
    if not wanted or subject.rung is None or subject.recipe.kind == "embed":  # a front normalizes vectors
        return None
    for path, note in _notes(home):
        if note.lock != wanted:
            if _is_gone(note.pid):
                with contextlib.suppress(OSError):
                    path.unlink()
            continue
        key = environ.get(note.key_variable, "").strip() if note.key_variable else ""
        try:
            row = _row(note, subject.name, key)
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                path.unlink()  # its front was killed
            continue
        except (OSError, http.client.HTTPException, ValueError):
            continue
        if _is_same(row, subject, context or subject.context):
            return _model(note, key, subject, row)
    return None


def _notes(home: Path) -> Iterator[tuple[Path, Note]]:
    """The notes that can be read and lead nowhere but to this machine."""
    for path in sorted((home / FOLDER).glob("*.json")):
        try:
            with disk.open_regular(path) as file:
                data = json.loads(file.read(MAX_NOTE_BYTES))
            note = Note(
                url=str(data["url"]), lock=str(data["lock"]), pid=int(data["pid"]), secret=str(data["secret"]),
                key_variable=data.get("key_variable"),
            )  # fmt: skip
            parts = urlsplit(note.url)
            if parts.scheme == "http" and parts.hostname in LOCAL_NAMES and parts.port and len(note.secret) >= 32:
                yield path, note
        except (OSError, ValueError, KeyError, TypeError, AttributeError, LmpmError):
            continue


def _row(note: Note, name: str, key: str) -> Mapping[str, Any]:
    """What a front says of a model. Raises ValueError for one that is not the front of the note, or says nonsense.

    The key goes to it once it has proved itself.
    """
    _ask(note, "/health", "")
    return _ask(note, f"/v1/models/{quote(name, safe='')}", key)


def _ask(note: Note, path: str, key: str) -> Mapping[str, Any]:
    parts = urlsplit(note.url)
    challenge = secrets.token_hex(16)
    headers = {CHALLENGE: challenge} | ({"Authorization": f"Bearer {key}"} if key else {})
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=LOOK_S)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        said = response.getheader(PROOF) or ""
        if not hmac.compare_digest(said.encode(), proof_of(note.secret, challenge).encode()) or response.status != 200:
            raise ValueError
        found = json.loads(response.read(MAX_ROW_BYTES))
    finally:
        connection.close()
    if not isinstance(found, dict):
        raise TypeError
    return found


def _is_same(row: Mapping[str, Any], subject: Subject, context: int) -> bool:
    facts = row.get("lmpm")
    if not isinstance(facts, dict) or subject.rung is None:
        return False
    files = [file.sha256 for _, pinned in subject.rung.candidate.pins for file in pinned]
    known = None not in files and facts.get("files") == files
    room = facts.get("context")
    return known and facts.get("state") in USABLE and isinstance(room, int) and room >= context


def _model(note: Note, key: str, subject: Subject, row: Mapping[str, Any]) -> Model:
    chats = subject.recipe.writes and not subject.recipe.raw
    session = RemoteSession(
        note.url, key, subject.name, files=subject.files, config=RunConfig(context=row["lmpm"]["context"]),
        limits=EngineLimits(time_s=ANSWER_S), service=Service(chats=chats),
    )  # fmt: skip
    return Model(subject, session, on_close=lambda: None)


def new_note(url: str, lock: str, key_variable: str | None) -> Note:
    """The note of a front of this process."""
    return Note(url=url, lock=lock, pid=os.getpid(), key_variable=key_variable, secret=secrets.token_hex(32))
