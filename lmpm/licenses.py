"""Licences of models: one spelling each, and whether they permit commercial use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class License:
    """A licence as the Hub names it. `note` says what limits it in one line.

    `commercial` is whether anybody may use the model in a business: a licence that asks for less than so much
    revenue, or leaves out whole countries, does not say yes to everybody. `max_users` a month is a limit that only
    the largest companies meet, so it does not count as one.
    """

    id: str
    title: str
    commercial: bool
    note: str = ""
    max_users: int | None = None


_LLAMA_USERS: Final = 700_000_000
_QWEN_USERS: Final = 100_000_000
_KNOWN: Final = (
    License("apache-2.0", "Apache License 2.0", True),
    License("mit", "MIT License", True),
    License("bsd-3-clause", "BSD 3-Clause License", True),
    License("cc-by-4.0", "Creative Commons Attribution 4.0", True),
    License("cc-by-sa-4.0", "Creative Commons Attribution-ShareAlike 4.0", True, "derivatives under the same terms"),
    License("cc0-1.0", "Creative Commons Zero 1.0", True),
    License("bigcode-openrail-m", "BigCode OpenRAIL-M 1", True, "with restrictions of use"),
    License("openrail", "OpenRAIL", True, "with restrictions of use"),
    License("deepseek", "DeepSeek Model License", True, "with restrictions of use"),
    License("gemma", "Gemma Terms of Use", True, "with a list of prohibited uses"),
    License("llama2", "Llama 2 Community License", True, "up to 700 million monthly users", _LLAMA_USERS),
    License("llama3", "Llama 3 Community License", True, "up to 700 million monthly users", _LLAMA_USERS),
    License("llama3.1", "Llama 3.1 Community License", True, "up to 700 million monthly users", _LLAMA_USERS),
    License("llama3.2", "Llama 3.2 Community License", True, "up to 700 million monthly users", _LLAMA_USERS),
    License("llama3.3", "Llama 3.3 Community License", True, "up to 700 million monthly users", _LLAMA_USERS),
    License("llama4", "Llama 4 Community License", True, "up to 700 million monthly users", _LLAMA_USERS),
    License("qwen", "Tongyi Qianwen License", True, "up to 100 million monthly users", _QWEN_USERS),
    License("nvidia-open-model", "NVIDIA Open Model License", True, "ends for who removes its guardrails"),
    License("nvidia-nemotron-open-model", "NVIDIA Nemotron Open Model License", True),
    License("openmdw-1.1", "OpenMDW License 1.1", True),
    License("falcon-llm", "Falcon LLM License 2.0", True, "with an acceptable use policy"),
    License("health-ai-developer-foundations", "Health AI Developer Foundations Terms", True, "not for clinical use"),
    License("minicpm", "MiniCPM Model License", False, "commercial use only once registered"),
    License("lfm1.0", "LFM Open License 1.0", False, "commercial use only below a yearly revenue of 10 million USD"),
    License("qwen-research", "Qwen Research License", False, "research only"),
    License("exaone", "EXAONE AI Model License", False, "research only"),
    License("mnpl", "Mistral Non-Production License", False, "research and testing only"),
    License("mrl", "Mistral Research License", False, "research only"),
    License("cc-by-nc-4.0", "Creative Commons Attribution-NonCommercial 4.0", False, "no commercial use"),
    License("cc-by-nc-sa-4.0", "Creative Commons Attribution-NonCommercial-ShareAlike 4.0", False, "no commercial use"),
    License("tencent-hunyuan-community", "Tencent Hunyuan Community License", False, "not in the EU, UK, Korea"),
    License("other", "Another licence", False, "read the model card"),
    License("unknown", "No licence stated", False),
)
LICENSES: Final[dict[str, License]] = {known.id: known for known in _KNOWN}
LIKENESS: Final = 0.8  # of a misspelt name; licences of publishers' own are less like any
_SPELLINGS: Final = {
    "apache2.0": "apache-2.0",
    "apache-2": "apache-2.0",
    "licenseref-qwen-research": "qwen-research",
    "mistral-ai-non-production-license": "mnpl",
    "llama-2": "llama2",
    "llama-3": "llama3",
    "llama-3.1": "llama3.1",
    "llama-3.2": "llama3.2",
    "llama-3.3": "llama3.3",
    "": "unknown",
}


def normalise(name: str) -> str:
    """The one spelling of a licence: `Apache 2.0` is `apache-2.0`; an unknown one stays, in lower case."""
    plain = re.sub(r"[\s_]+", "-", name.strip().lower())
    return _SPELLINGS.get(plain, plain)


def stated(name: str) -> str:
    """The one spelling of a licence that a file states, empty where it is none that is known here."""
    known = normalise(name)
    return known if known in LICENSES and known not in ("unknown", "other") else ""


def unknown(names: Iterable[str]) -> list[str]:
    """A remark on each name that is not a licence that is known here: it may be misspelt, or somebody's own."""
    remarks = []
    for name in sorted({normalise(name) for name in names} - LICENSES.keys()):
        near = nearest(name, LICENSES, most=1, likeness=LIKENESS)
        meant = f": did you mean `{near[0]}`?" if near else ""
        remarks.append(f"`{name}` is not a licence that lmpm knows{meant}")
    return remarks


def describe(name: str) -> str:
    """The licence with what limits it: `qwen-research (research only)`."""
    known = LICENSES.get(normalise(name))
    return f"{name} ({known.note})" if known and known.note else name or "unknown"


def permits_commercial_use(name: str) -> bool:
    """Whether the licence permits commercial use; one that is not known here does not."""
    known = LICENSES.get(normalise(name))
    return known is not None and known.commercial
