"""How good a model is at its task: contenders asked the same cases, counted, and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.evaluation.chart import bars as bars, percents as percents, title_of as title_of
    from lmpm.evaluation.cloud_contender import CloudContender as CloudContender, cost_of as cost_of
    from lmpm.evaluation.contenders import (
        AnyContender as AnyContender,
        Lineup as Lineup,
        LocalContender as LocalContender,
        contenders_of as contenders_of,
        line_up as line_up,
        without_grammar as without_grammar,
    )
    from lmpm.evaluation.plot import can_plot as can_plot, plot_scores as plot_scores
    from lmpm.evaluation.records import (
        Comparison as Comparison,
        Evaluation as Evaluation,
        Result as Result,
        Score as Score,
    )
    from lmpm.evaluation.report import (
        as_json as as_json,
        junit as junit,
        markdown as markdown,
        one_line as one_line,
        points_of as points_of,
        standing_words as standing_words,
        tags_of as tags_of,
    )
    from lmpm.evaluation.run import (
        Asker as Asker,
        Contender as Contender,
        Watcher as Watcher,
        evaluate as evaluate,
        unanswered as unanswered,
    )
    from lmpm.evaluation.sets import cases_of as cases_of, own_cases as own_cases
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "chart": "bars percents title_of",
            "cloud_contender": "CloudContender cost_of",
            "contenders": "AnyContender LocalContender Lineup contenders_of line_up without_grammar",
            "plot": "can_plot plot_scores",
            "records": "Comparison Evaluation Result Score",
            "report": "as_json junit markdown one_line points_of standing_words tags_of",
            "run": "Asker Contender Watcher evaluate unanswered",
            "sets": "cases_of own_cases",
        },
    )
