"""How a search came to its candidates, in words and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lmpm.cli.output.console import put, put_table
from lmpm.cli.output.layout import Fit
from lmpm.units import duration

if TYPE_CHECKING:
    from lmpm.resolver import Funnel

SHOWN_LEFT_OUT: Final = 4
JSON_LEFT_OUT: Final = 2000


def put_funnel(funnel: Funnel | None, *, everything: bool) -> None:
    """The steps on one line, the repositories that were taken, and why others were not."""
    if funnel is None:
        return
    put("  " + " → ".join(funnel.steps()), hang=4)
    if funnel.age_s:
        put(f"  from what the Hub answered {duration(funnel.age_s)} ago")
    rows = [("from", repo, "; ".join(reasons)) for repo, reasons in funnel.taken]
    near = [item for item in funnel.left_out if item.reason != "other model"]
    shown = near if everything else near[:SHOWN_LEFT_OUT]
    rows += [("not", item.repo, f"{item.reason}: {item.detail}") for item in shown]
    put_table(rows, indent="  ", fit=Fit(shorten=(1,), wraps=True))
    if len(shown) < len(near):
        put(f"  {len(near) - len(shown)} more repositories of {funnel.model}: `--all`")
    if funnel.others:
        put(f"  other models: {funnel.other_models}, {funnel.derived_models} of them derived: {_names(funnel)}")
    put("")


def as_json(funnel: Funnel | None) -> dict[str, Any] | None:
    """The funnel as programs read it."""
    if funnel is None:
        return None
    return {
        "typed": funnel.typed,
        "model": funnel.model,
        "matches": funnel.matches,
        "complete": funnel.is_complete,
        "of_model": funnel.of_model,
        "trusted": funnel.trusted,
        "looked_at": funnel.looked_at,
        "variants": funnel.variants,
        "age_s": round(funnel.age_s),
        "taken": [{"repo": repo, "reasons": list(reasons)} for repo, reasons in funnel.taken],
        "left_out": [
            {"repo": item.repo, "reason": item.reason, "detail": item.detail}
            for item in funnel.left_out[:JSON_LEFT_OUT]
        ],
        "other_models": funnel.other_models,
        "derived_models": funnel.derived_models,
        "others": [
            {"model": item.name, "repos": item.repos, "downloads": item.downloads, "derived": item.is_derived}
            for item in funnel.others
        ],
    }


def _names(funnel: Funnel) -> str:
    names = [item.name for item in funnel.others[:4]]
    return ", ".join(names) + (", …" if len(funnel.others) > len(names) else "")
