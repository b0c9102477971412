"""From a request to a choice: where candidates come from, what is checked, and the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.resolver import choose as choose, picks_page as picks_page, rule as rule, select as select
    from lmpm.resolver.candidates.files import shards as shards, size_at as size_at
    from lmpm.resolver.candidates.funnel import Funnel as Funnel
    from lmpm.resolver.candidates.local import held_repository as held_repository
    from lmpm.resolver.checks.fit import ExactFit as ExactFit, Reach as Reach
    from lmpm.resolver.checks.pins import PinCheck as PinCheck, is_pinned as is_pinned
    from lmpm.resolver.checks.template import (
        foreign_template as foreign_template,
        template_remarks as template_remarks,
    )
    from lmpm.resolver.choose import Refusal as Refusal
    from lmpm.resolver.constraints import Constraints as Constraints
    from lmpm.resolver.explain import (
        describe_choice as describe_choice,
        describe_rejected as describe_rejected,
        require_choice as require_choice,
    )
    from lmpm.resolver.locate import FileLocator as FileLocator
    from lmpm.resolver.parts import parts_of as parts_of
    from lmpm.resolver.records import (
        Candidate as Candidate,
        Choice as Choice,
        Kind as Kind,
        Rejected as Rejected,
        Request as Request,
    )
    from lmpm.resolver.reference import (
        FileReference as FileReference,
        HubReference as HubReference,
        NameReference as NameReference,
        UrlReference as UrlReference,
        on_hub as on_hub,
        parse_quant as parse_quant,
        parse_reference as parse_reference,
        reference_to as reference_to,
    )
    from lmpm.resolver.resolver import (
        Resolution as Resolution,
        Resolver as Resolver,
        Where as Where,
        request_for as request_for,
    )
    from lmpm.resolver.rule import Judged as Judged, Mode as Mode, Prefer as Prefer
    from lmpm.resolver.search import (
        Match as Match,
        Matches as Matches,
        search_catalog as search_catalog,
        search_models as search_models,
    )
    from lmpm.resolver.select import is_weak as is_weak
    from lmpm.resolver.waiting import Waiting as Waiting
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "candidates.files": "shards size_at",
            "candidates.local": "held_repository",
            "candidates.funnel": "Funnel",
            "checks.fit": "ExactFit Reach",
            "checks.pins": "PinCheck is_pinned",
            "checks.template": "foreign_template template_remarks",
            "choose": "Refusal choose",
            "constraints": "Constraints",
            "explain": "describe_choice describe_rejected require_choice",
            "locate": "FileLocator",
            "parts": "parts_of",
            "picks_page": "picks_page",
            "records": "Candidate Choice Kind Rejected Request",
            "reference": (
                "FileReference HubReference NameReference UrlReference on_hub parse_quant parse_reference reference_to"
            ),
            "resolver": "Resolution Resolver Where request_for",
            "rule": "Judged Mode Prefer rule",
            "select": "is_weak select",
            "waiting": "Waiting",
            "search": "Match Matches search_catalog search_models",
        },
    )
