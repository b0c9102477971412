"""Measured speed: what first token and tokens a second are here, beside other servers, in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.benchmark import report as report
    from lmpm.benchmark.browser import browser_target as browser_target
    from lmpm.benchmark.client import ask_all as ask_all
    from lmpm.benchmark.opening import (
        digest_of as digest_of,
        engine_target as engine_target,
        other_targets as other_targets,
        serve_target as serve_target,
    )
    from lmpm.benchmark.plan import Measured as Measured, Settings as Settings, measure as measure
    from lmpm.benchmark.plot import can_plot as can_plot, plot_speed as plot_speed
    from lmpm.benchmark.prompts import make_prompts as make_prompts, words_for as words_for
    from lmpm.benchmark.record import (
        Rule as Rule,
        busy_share as busy_share,
        compare as compare,
        keep as keep,
        make_record as make_record,
        parse_rule as parse_rule,
        read_record as read_record,
        system_load as system_load,
        what_differs as what_differs,
    )
    from lmpm.benchmark.sample import Figures as Figures, Sample as Sample, Spread as Spread, summarize as summarize
    from lmpm.benchmark.target import PRESETS as PRESETS, Target as Target, parse_url as parse_url
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "browser": "browser_target",
            "client": "ask_all",
            "opening": "digest_of engine_target other_targets serve_target",
            "plan": "Measured Settings measure",
            "plot": "can_plot plot_speed",
            "prompts": "make_prompts words_for",
            "record": "Rule busy_share compare keep make_record parse_rule read_record system_load what_differs",
            "report": "report",
            "sample": "Figures Sample Spread summarize",
            "target": "PRESETS Target parse_url",
        },
    )
