"""Counts and times in the text format of Prometheus: numbers of requests, never their words."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COUNTERS: Final = {
    "lmpm_requests_total": "Requests answered, by model, target and status",
    "lmpm_failovers_total": "Targets that were passed over, by route, target and reason",
    "lmpm_cloud_requests_total": "Requests sent to a provider",
    "lmpm_first_token_seconds_sum": "Seconds from a request to its first words, all together",
    "lmpm_first_token_seconds_count": "Requests whose first words were timed",
    "lmpm_prompt_tokens_total": "Tokens of prompts, as the model counts them",
    "lmpm_completion_tokens_total": "Tokens written, as the model counts them",
}
GAUGES: Final = {
    "lmpm_model_ready": "1 while a model is in memory",
    "lmpm_model_active": "Requests that a model is answering",
    "lmpm_model_waiting": "Requests that wait for a slot",
    "lmpm_model_starts_total": "Times that a model was loaded",
    "lmpm_memory_bytes": "What the models in memory need",
    "lmpm_memory_budget_bytes": "What they may take",
}


class Metrics:
    """The counters of one front."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[tuple[str, str], ...], float]] = defaultdict(lambda: defaultdict(float))

    def add(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        """Count on."""
        self._values[name][tuple(sorted(labels.items()))] += value

    def value(self, name: str, **labels: str) -> float:
        """The sum of a counter over all that has these labels."""
        wanted = set(labels.items())
        return sum(value for key, value in self._values[name].items() if wanted <= set(key))

    def text(self, gauges: Iterable[tuple[str, Mapping[str, str], float]]) -> str:
        """All of it, with the gauges of this moment."""
        lines = []
        for name, words in COUNTERS.items():
            lines += [f"# HELP {name} {words}", f"# TYPE {name} counter"]
            lines += [_line(name, dict(labels), value) for labels, value in sorted(self._values[name].items())]
        now = list(gauges)
        for name, words in GAUGES.items():
            lines += [f"# HELP {name} {words}", f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"]
            lines += [_line(name, labels, value) for gauge, labels, value in now if gauge == name]
        return "\n".join(lines) + "\n"


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{shown}}} {value:.17g}" if shown else f"{name} {value:.17g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
