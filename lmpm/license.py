"""Licences of models: one spelling each, and whether they permit commercial use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class License:
    """A licence as the Hub names it. `note` says what limits it in one line."""

    id: str
    title: str
    commercial: bool
    note: str = ""


_KNOWN: Final = (
    License("apache-2.0", "Apache License 2.0", True),
    License("mit", "MIT License", True),
    License("bsd-3-clause", "BSD 3-Clause License", True),
    License("cc-by-4.0", "Creative Commons Attribution 4.0", True),
    License("cc-by-sa-4.0", "Creative Commons Attribution-ShareAlike 4.0", True),
    License("cc0-1.0", "Creative Commons Zero 1.0", True),
    License("bigcode-openrail-m", "BigCode OpenRAIL-M 1", True, "with restrictions of use"),
    License("gemma", "Gemma Terms of Use", True, "with a list of prohibited uses"),
    License("llama2", "Llama 2 Community License", True, "up to 700 million monthly users"),
    License("llama3", "Llama 3 Community License", True, "up to 700 million monthly users"),
    License("llama3.1", "Llama 3.1 Community License", True, "up to 700 million monthly users"),
    License("llama3.2", "Llama 3.2 Community License", True, "up to 700 million monthly users"),
    License("llama3.3", "Llama 3.3 Community License", True, "up to 700 million monthly users"),
    License("lfm1.0", "LFM Open License 1.0", False, "commercial use only below a yearly revenue"),
    License("qwen-research", "Qwen Research License", False, "research only"),
    License("mnpl", "Mistral Non-Production License", False, "research and testing only"),
    License("mrl", "Mistral Research License", False, "research only"),
    License("cc-by-nc-4.0", "Creative Commons Attribution-NonCommercial 4.0", False),
    License("cc-by-nc-sa-4.0", "Creative Commons Attribution-NonCommercial-ShareAlike 4.0", False),
    License("tencent-hunyuan-community", "Tencent Hunyuan Community License", False, "not in the EU, UK, Korea"),
    License("other", "Another licence", False, "read the model card"),
    License("unknown", "No licence stated", False),
)
LICENSES: Final[dict[str, License]] = {known.id: known for known in _KNOWN}
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


def permits_commercial_use(name: str) -> bool:
    """Whether the licence permits commercial use; one that is not known here does not."""
    known = LICENSES.get(normalise(name))
    return known is not None and known.commercial
