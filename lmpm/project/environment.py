"""What environment variables say, as a record. They are handed in: lmpm itself reads none below its two edges."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lmpm.endpoint import Endpoint
from lmpm.errors import DiskError, SpecError
from lmpm.fs import rules

if TYPE_CHECKING:
    from collections.abc import Mapping

CERTIFICATES: Final = (
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)  # requests, curl, OpenSSL
TRUE: Final = frozenset({"1", "true", "yes", "on", "y", "t"})
FALSE: Final = frozenset({"0", "false", "no", "off", "n", "f"})
OFFLINE_VARIABLES: Final = ("LMPM_OFFLINE", "HF_HUB_OFFLINE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the environment says. `offline_by` is the variable that switches the network off, None where none does."""

    home: Path  # lmpm's own notes
    store: Path  # the Hugging Face cache
    endpoint: Endpoint
    offline_by: str | None
    hardware: str | None
    retry_base_s: float | None
    silence_s: float | None  # after which a server counts as gone
    directory: Path
    bundle: tuple[str, str] | None  # certificates to believe, and the variable that names them
    ollama: str | None  # where Ollama keeps its models, where that is said
    engine: str | None = None  # that runs models: its name, or the path of a llama-server
    llama_server: str | None = None  # a binary that is not on PATH
    llama_libraries: Path | None = None  # with another llama.cpp for llama-cpp-python

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Environment:
        """Read the variables. Raises DiskError without any place to write to, SpecError for what makes no sense.

        Blanks around a value are not part of it, and one of nothing else counts as not set.
        """
        environment = {name: text.strip() for name, text in environment.items() if text.strip()}
        return cls(
            home=_home(environment),
            store=_store(environment),
            endpoint=_endpoint(environment),
            offline_by=next((name for name in OFFLINE_VARIABLES if _switch(environment, name)), None),
            hardware=environment.get("LMPM_HARDWARE") or None,
            retry_base_s=_seconds(environment, "LMPM_RETRY_BASE"),
            silence_s=_seconds(environment, "HF_HUB_DOWNLOAD_TIMEOUT", least=1.0),
            directory=_directory(),
            bundle=_bundle(environment),
            ollama=environment.get("OLLAMA_MODELS") or None,
            engine=environment.get("LMPM_ENGINE") or None,
            llama_server=environment.get("LMPM_LLAMA_SERVER") or None,
            llama_libraries=Path(place) if (place := environment.get("LLAMA_CPP_LIB_PATH")) else None,
        )


def hub_token(environment: Environment) -> str | None:
    """The token of the Hub, where huggingface_hub looks for it.

    Raises DiskError for a file that cannot be read, SpecError for what cannot be a token.
    """
    if "HF_ENDPOINT" in os.environ:  # huggingface_hub reads it once more, blanks and all
        os.environ["HF_ENDPOINT"] = str(environment.endpoint)
    # lmpm sends none, and neither do the libraries that it calls
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub

    from lmpm.fs import disk_errors

    with disk_errors(environment.store):
        token = huggingface_hub.get_token()
    if token and (strange := next((char for char in token if not "!" <= char <= "~"), None)):
        shown = "a blank" if strange.isspace() else f"`{rules.printable(strange)}`"
        raise SpecError(
            f"The Hugging Face token holds {shown}, which no token does",
            hint="Copy it once more: it is in HF_TOKEN, or in the file that `hf auth login` wrote",
        )
    return token


def _switch(environment: Mapping[str, str], name: str) -> bool:
    """Whether a variable is on. Raises SpecError for what is neither on nor off: it may be meant to be on."""
    text = environment.get(name, "0")
    if text.lower() not in TRUE | FALSE:
        raise SpecError(f"{name} is `{rules.printable(text[:40])}`, expected `1` or `0`")
    return text.lower() in TRUE


def _endpoint(environment: Mapping[str, str]) -> Endpoint:
    """The Hub's URL. What is wrong with it is said without quoting it: it may hold a password."""
    try:
        return Endpoint.parse(environment.get("HF_ENDPOINT") or "https://huggingface.co")
    except ValueError as error:
        raise SpecError("HF_ENDPOINT is not a URL like `https://huggingface.co`") from error


def _bundle(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The certificates to believe, and the variable that names them: the first one that does counts."""
    return next(((place, name) for name in CERTIFICATES if (place := environment.get(name))), None)


def _directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise DiskError("The current directory is gone or cannot be read", hint="Change to another one") from error


def _home(environment: Mapping[str, str]) -> Path:
    if place := environment.get("LMPM_HOME"):
        return Path(place).expanduser()
    _require_home()
    import platformdirs

    return Path(platformdirs.user_state_dir("lmpm", appauthor=False))


def _store(environment: Mapping[str, str]) -> Path:
    """The cache, by the rule of huggingface_hub, without importing it."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if place := environment.get(name):
            return Path(place).expanduser()
    if place := environment.get("HF_HOME"):
        return Path(place).expanduser() / "hub"
    if place := environment.get("XDG_CACHE_HOME"):
        return Path(place).expanduser() / "huggingface" / "hub"
    return _require_home() / ".cache" / "huggingface" / "hub"


def _require_home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise DiskError(
            "This user has no home directory to keep models in",
            hint="Set HF_HOME and LMPM_HOME to directories that may be written to",
        ) from None


def _seconds(environment: Mapping[str, str], name: str, *, least: float = 0.0) -> float | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise SpecError(f"{name} is `{rules.printable(text[:40])}`, expected seconds")
    return max(least, found)
