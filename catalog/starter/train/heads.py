"""Heads: the phrasings of every question kind around its condition, trained and held-out.

Slots: t/s the table in plural/singular, w conditions after the table, k conditions as a verb
phrase, c/d columns, cs/gs columns in plural, g a grouping column, n a number, u/us the parent table.
"""

# One phrasing family to a line, however long.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

HEADS: dict[str, tuple[list[str], list[str]]] = {
    "count_all": (
        ["how many {t} (are there|exist|do we have|are there in total|are in the table|)", "(count|count all|count the) {t}", "(what is|what's|give me|show|tell me|find|return) the (number|total number|count) of {t}",
         "(number|count|total number) of {t}", "total {t}", "how many (rows|records|entries) (are there in|are in|does|has) {t}", "(count the|number of) (rows|records) in {t}", "i want to know how many {t} (there are|exist|we have)",
         "(can|could) you (count|tell me the number of) {t}"],
        ["what does the {t} tally come to", "compute how many {t} we hold", "size of the {t} table"],
    ),
    "count_where": (
        ["how many {t} {k}", "how many {t} {k}", "how many {t} {k}", "how many {t} {w} (are there|exist|do we have|)", "(count|count all|count the) {t} {w}", "(what is|what's|give me|show|tell me|find|return) the (number|total number|count) of {t} {w}", "(number|count|total number) of {t} {w}",
         "how many {t} (are there|do we have|exist) {w}", "i want to know how many {t} {k}", "(can|could) you (count|tell me the number of) {t} {w}", "find (how many|the number of) {t} {w}"],
        ["tally (the |){t} {w}", "compute how many {t} {k}", "what number of {t} {k}"],
    ),
    "select_all": (
        ["(show|list|give me|display|get|return|find|print|fetch) (|me )(all|all the|all of the|every) {t}", "(show|list|display|get|fetch) (|the ){t}", "(show|get|return|list) (all|every) (the |)(rows|records|data|information|details) (of|from|in|about) {t}",
         "what are (all |)the {t}", "select (all|everything) from {t}", "i (want|need|would like) to see all {t}", "show everything in {t}", "what {t} (are there|do we have)"],
        ["dump the full contents of {t}", "pull up all {t}", "let me see every {s}"],
    ),
    "select_where": (
        ["(show|list|give me|display|get|return|find|print|fetch) (|all |the |all the |all of the ){t} {w}", "(show|list|display|find) (|me |the )(all |){t} {w}", "(find|show|get|select) (all |the |)(rows|records|details) of {t} {w}",
         "(find|show me) every {s} {w}", "i (want|need|would like) (to see |)(all |the |){t} {w}", "(select|return) everything (from|about) {t} {w}", "get all (information|data) (about|on) {t} {w}"],
        ["pull up (the |all |){t} {w}", "let me see (the |){t} {w}", "look up {t} {w}"],
    ),
    "which_where": (
        ["which {t} {k}", "which {t} {k}", "what {t} {k}", "(tell me|find out) which {t} {k}", "which (of the |){t} {k}", "which are the {t} {w}", "i want to know which {t} {k}"],
        ["name the {t} {w}", "identify the {t} {w}"],
    ),
    "columns": (
        ["(show|list|give me|display|get|return|find|print|fetch) (|the |all the |all |me the ){cs} of (|all |all the |the ){t} {w}", "what (is|are) the {cs} of (|the |all ){t} {w}", "(list|show|get|find) (the |){c} (of|for) (each|every|all) {s} {w}",
         "(show|list|display) (|me )(the |){cs} (for|from) {t} {w}", "(show|get|give me|list) (the |){c} from {t} {w}", "i (want|need) the {cs} of (|all |the ){t} {w}", "{cs} of (|all |the ){t} {w}", "what are the {t}' {cs} {w0}", "select {c} from {t} {w}",
         "(find|return) the {c} of {t} {w}", "what {cs} do (|the ){t} {w} have"],
        ["pull (up |)the {cs} of {t} {w}", "let me see the {cs} for {t} {w}", "what would be the {cs} of {t} {w}"],
    ),
    "columns2": (
        ["(show|list|give me|display|get|return|find|print) (|the |all ){c} and {d} of (|all |the |each ){t} {w}", "what (is|are) the {c} and (the |){d} of (|each |the |all ){t} {w}", "(list|show|get) (the |){cs} and {ds} (of|for) (all |the |){t} {w}",
         "(show|get) {c}, {d} (from|of) {t} {w}", "{c} and {d} of {t} {w}", "i (want|need) the {c} and {d} of {t} {w}", "for (each|every|all) {s} {w} (show|list|give) (the |){c} and (the |){d}", "(list|show) {t} {w} with (their|the) {c} and {d}", "select {c} and {d} from {t} {w}"],
        ["pull {c} together with {d} for {t} {w}", "let me see both {c} and {d} of {t} {w}"],
    ),
    "avg": (
        ["(what is|what's|find|show|give me|tell me|compute|calculate|get|return) the (average|mean|avg) {c} (of|for|across|among) (|all |all the |the ){t} {w}", "average {c} of {t} {w}", "(average|mean) {c} (of|for|per) (|the |all ){t} {w}", "how (much|high|large|big) is the average {c} of {t} {w}", "on average, what is the {c} of {t} {w}",
         "(what is|find) the average of {c} (for|in|over|of) {t} {w}", "(find|compute) the (average|mean) {s} {c} {w0}", "what {c} do {t} {w} have on average", "what is the average {s} {c} {w0}", "(calculate|compute|get) avg {c} for {t} {w}"],
        ["what does the {c} of {t} {w} average out to", "typical (average) {c} of {t} {w}", "work out the mean {c} over {t} {w}"],
    ),
    "sum": (
        ["(what is|what's|find|show|give me|tell me|compute|calculate|get|return) the (total|sum of|total of|overall|combined|sum of the|sum of all) {c} (of|for|across|over) (|all |all the |the ){t} {w}", "total {c} of {t} {w}", "(sum|total|add up) (the |){c} (of|for|over) (|the |all ){t} {w}", "sum of {c} (for|of|over|in) {t} {w}",
         "how much {c} (is there in total|in total) for {t} {w}", "(what is|find) the total {s} {c} {w0}", "(add up|sum up) (the |all |){cs} of {t} {w}", "how much is the total {c} of {t} {w}", "what {c} do {t} {w} have in total"],
        ["what does the {c} of {t} {w} add up to", "work out the {c} sum over {t} {w}"],
    ),
    "max": (
        ["(what is|what's|find|show|give me|tell me|get|return) the (highest|maximum|max|largest|greatest|biggest|top) {c} (of|for|among|across) (|all |all the |the ){t} {w}", "(highest|maximum|largest|max) {c} (of|among|for) (|the |all ){t} {w}", "(what is|find) the maximum of {c} (for|in|over) {t} {w}", "how (high|large) is the (highest|maximum|largest) {c} of {t} {w}", "what is the (highest|maximum|max) {s} {c} {w0}", "what is the (highest|largest) {c} {w1} {t} {w} have"],
        ["up to what {c} do {t} {w} go", "peak {c} over {t} {w}"],
    ),
    "min": (
        ["(what is|what's|find|show|give me|tell me|get|return) the (lowest|minimum|min|smallest|least) {c} (of|for|among|across) (|all |all the |the ){t} {w}", "(lowest|minimum|smallest|min) {c} (of|among|for) (|the |all ){t} {w}", "(what is|find) the minimum of {c} (for|in|over) {t} {w}", "how (low|small) is the (lowest|minimum|smallest) {c} of {t} {w}", "what is the (lowest|minimum|min) {s} {c} {w0}"],
        ["down to what {c} do {t} {w} go", "bottom {c} over {t} {w}"],
    ),
    "distinct": (
        ["(show|list|give me|display|get|return|find) (|all |all the |the )(distinct|different|unique) {cs} (of|in|from|for|among) (|the |all ){t} {w}", "what (distinct|different|unique) {cs} (are there|exist|do we have|are there in {t}|do {t} have) {w9}", "what are the (distinct|different|unique) {cs} of {t} {w}",
         "(distinct|unique|different) {cs} of {t} {w}", "(list|show) (the |){cs} of {t} {w} without (duplicates|repeats|repetition)", "(list|show) (each|every) {c} of {t} {w} once", "select distinct {c} from {t} {w}", "which (distinct|different) {cs} do {t} {w} have"],
        ["every unique value of {c} among {t} {w}", "enumerate the distinct {cs} for {t} {w}"],
    ),
    "count_distinct": (
        ["how many (distinct|different|unique) {cs} (are there (in|among|for)|do|exist among) {t} {w} {h9}", "(count|count the) (distinct|different|unique) {cs} (of|in|among) {t} {w}", "(what is|find|give me|show) the number of (distinct|different|unique) {cs} (of|in|among|for) {t} {w}", "number of (distinct|different|unique) {cs} (of|in|for) {t} {w}", "how many (different|distinct|unique) {cs} (of|for) {t} {w} (are there|exist|)"],
        ["tally the unique {cs} over {t} {w}", "how many {cs} without repeats are among {t} {w}"],
    ),
    "group_count": (
        ["how many {t} {w} (are there |)(per|for each|in each|by|for every|in every) {g}", "(number|count) of {t} {w} (per|by|for each|in each) {g}", "(show|list|give me|find|get|return|what is|display) the (number|count) of {t} {w} (per|by|for each|in each|grouped by|for every) {g}", "count (the |){t} {w} (per|by|for each|in each|grouped by) {g}",
         "for each {g}, (how many {t} are there|show the number of {t}|count the {t}) {w}", "how many {t} {w} does each {g} have", "group {t} {w} by {g} and (count them|show the count)", "(show|list) (each|every) {g} (and|with) (the|its) number of {t} {w}", "(show|list|what are) the {gs} (and|with) (the|their) (number|count) of {t} {w}"],
        ["break down {t} {w} by {g}", "{t} {w} tally split by {g}", "per {g}, what number of {t} {w} is there"],
    ),
    "group_agg": (
        ["(what is|what's|find|show|give me|get|compute|calculate|return|list) the {a} {c} of {t} {w} (per|by|for each|in each|grouped by|for every) {g}", "{a} {c} (of {t} {w} |)(per|by|for each|in each) {g} {in9}", "(show|find|list) the {a} {c} (per|by|for each|in each) {g} (of|for|in|among) {t} {w}", "for each {g}, (show|find|what is|give) the {a} {c} of {t} {w}",
         "(show|list) (each|every) {g} (and|with) (the|its) {a} {c} of {t} {w}", "how (much|high) is the {a} {c} of {t} {w} (per|in each|for each) {g}"],
        ["break down the {a} {c} of {t} {w} by {g}", "per {g}, work out the {a} {c} over {t} {w}"],
    ),
    "having": (
        ["which {gs} have {q} {t}", "(show|list|find|give me|get|what are) (the |){gs} (with|that have|having) {q} {t}", "which {gs} (are shared by|occur in|appear in) {q} {t}", "(find|list|show) (the |all |){gs} (of|in|among) {t} (that occur|that appear|occurring|appearing) {q} times", "{gs} with {q} {t}", "for which {gs} are there {q} {t}", "what {gs} have {q} {t}"],
        ["name the {gs} counting {q} {t}", "single out the {gs} to which {q} {t} belong"],
    ),
    "having_agg": (
        ["which {gs} have (a|an) {a} {c} {q9} {n} {in9}", "(show|list|find|give me) (the |){gs} of {t} (whose|where the) {a} {c} is {q9} {n}", "(find|list|show) the {gs} with (a|an) {a} {c} (of {t} |){q9} {n} {in9}", "for which {gs} is the {a} {c} of {t} {q9} {n}"],
        ["name the {gs} reaching (a|an) {a} {c} of {t} {q9} {n}"],
    ),
    "top_group": (
        ["which {g} has the most {t} {w}", "(what is|find|show|give me) the {g} with the (most|largest number of|highest number of|greatest number of) {t} {w}", "what is the most (common|frequent) {c9} (of|among|for) {t} {w}", "which {g} (occurs most often|is the most common|is the most frequent|appears the most) (among|in) {t} {w}", "most (common|frequent|popular) {g} (of|among|in) {t} {w}", "{g} with the most {t} {w}"],
        ["name the {g} in which {t} {w} are the most numerous", "what {g} counts the most {t} {w}"],
    ),
    "ordered": (
        ["(show|list|give me|display|get|return|find|sort) (|all |the |all the ){t} {w} (ordered|sorted) by {c} {o}", "(list|show) (all |the |){t} {w} (in order of|by) {c} {o}", "(order|sort) (|the |all |all the ){t} {w} by {c} {o}", "(show|list|get) (all |){t} {w} {z}", "what are the {t} {w} (ordered|sorted) by {c} {o}", "{t} {w} (ordered|sorted) by {c} {o}", "all {t} {w} {z}"],
        ["rank (the |){t} {w} by {c} {o}", "arrange {t} {w} by {c} {o}"],
    ),
    "columns_ordered": (
        ["(show|list|give me|display|get|return|find) (|the |all |all the ){ds} of (|all |the |all the ){t} {w} (ordered|sorted|in order) by {c} {o}", "what are the {ds} of {t} {w} (ordered|sorted) by {c} {o}", "(list|show) (the |){ds} of (|the |all ){t} {w} {z}", "(list|show|get) (the |){d} of (each|every|all) {s} {w} (ordered|sorted) by {c} {o}", "{ds} of {t} {w} (ordered|sorted) by {c} {o}",
         "(sort|order) (the |){ds} of {t} {w} by {c} {o}", "(list|show) {t} {w9} {ds} (ordered|sorted) by {c} {o}"],
        ["arrange the {ds} of {t} {w} by {c} {o}", "{ds} of {t} {w}, ranked by {c} {o}"],
    ),
    "top_n": (
        ["which {n} {t} {w} have the {x} {c}", "(show|list|give me|find|get|what are|return|display) the {n} {t} {w} with the {x} {c}", "{n} {t} {w} with the {x} {c}", "what {n} {t} {w} have the {x} {c}", "who are the {n} {t} {w} with the {x} {c}", "(find|show|list|get|what are) the {y} {n} {t} {w} (by|ranked by|in terms of|based on) {c}", "{y} {n} {t} {w} by {c}", "which are the {n} {t} {w} (with|having) the {x} {c}"],
        ["name the {n} {t} {w} whose {c} is {x}", "the {n} {x} {c} {t} {w9}"],
    ),
    "superlative": (
        ["which {s} {w} has the {x} {c}", "(show|give me|find|get|what is|return|who is) the {s} {w} with the {x} {c}", "what {s} {w} has the {x} {c}", "{s} {w} with the {x} {c}", "which {s} {w} is the one with the {x} {c}", "who has the {x} {c} (among|of) (the |all |){t} {w}", "which of the {t} {w} has the {x} {c}", "(find|show) the {s} {w} (that has|having) the {x} {c}"],
        ["name the {s} {w} whose {c} is {x}", "the {s} {w} holding the {x} {c}"],
    ),
    "value_of": (
        ["what is the {c} of the {s} {w}", "what is the {c} of {s} {v}", "what's the {c} of {v}", "(show|find|get|give me|tell me) the {c} of the {s} {w}", "(show|find|get|give me|tell me) the {c} of {s} {v}", "{c} of {s} {v}", "(find|show|get) the {c} (for|of) {v}", "what {c} does {s} {v} have", "what {c} does {v} have", "what is {v}'s {c}"],
        ["look up the {c} of {s} {v}", "which {c} belongs to {s} {v}"],
    ),
    "superlative_value": (
        ["what is the {d} of the {s} {w} with the {x} {c}", "(show|find|get|give me|return|tell me) the {d} of the {s} {w} (with|having|that has) the {x} {c}", "{d} of the {s} {w} with the {x} {c}", "which {d} does the {s} {w} with the {x} {c} have", "what is the {d} of the {t} {w9} with the {x} {c}", "which {d} has the {s} {w} with the {x} {c}"],
        ["look up the {d} of the {s} {w} whose {c} is {x}"],
    ),
    "join_count": (
        ["how many {t} (does|did|do) each {u} have", "how many {t} does (each|every) {u} have", "(show|list|give me|find|get|display|return) the number of {t} (for each|per|of each|by|for every) {u}", "(number|count) of {t} (per|for each|by|of each) {u}", "count (the |){t} (of|for|per|by) (each |every |){u}", "for (each|every) {u}, (count|show|how many|find) (the number of |the |){t} {h9}", "(list|show) (all |each |the |){us} (with|and) (the|their) number of {t}", "how many {t} (are there|do we have|belong) (per|for each|to each) {u}", "(show|list) (each|every) {u} (with|and) (the|its) (number|count) of {t}"],
        ["break down {t} by {u}", "tally the {t} of every {u}", "per {u}, what number of {t} is there"],
    ),
    "join_agg": (
        ["(what is|find|show|give me|get|compute|calculate|list|return) the {a} {c} of (the |){t} (for each|per|of each|by|for every) {u}", "{a} {t9} {c} (per|for each|by) {u} {of9}", "(show|list) (each|every) {u} (and|with) (the|its) {a} {c} of {t}", "for (each|every) {u}, (show|find|what is) the {a} {c} of (its |the |their |){t}", "(show|list) (the |all |){us} (and|with) (the|their) {a} {c} of {t}", "(what is|show|find) the {a} {t9} {c} (per|for each|by) {u}"],
        ["break down the {a} {c} of {t} by {u}", "per {u}, work out the {a} {c} over {t}"],
    ),
    "join_top": (
        ["which {u} has the most {t}", "(find|show|give me|what is|who is) the {u} with the (most|largest number of|highest number of|greatest number of) {t}", "what {u} has the (most|highest number of) {t}", "{u} with the most {t}", "which {u} has (the largest number of|the highest number of) {t}", "(which|what) (of the |){us} has the most {t}"],
        ["name the {u} who counts the most {t}", "to which {u} do the most {t} belong"],
    ),
    "join_top_n": (
        ["which {n} {us} have the most {t}", "(find|show|list|give me|what are|get) the {n} {us} with the (most|largest number of|highest number of) {t}", "{n} {us} with the most {t}", "top {n} {us} by (number of|count of) {t}", "(show|list|find) the top {n} {us} (by|in) number of {t}"],
        ["name the {n} {us} who count the most {t}"],
    ),
    "join_having": (
        ["which {us} have {q} {t}", "(show|list|find|give me|get|what are) (the |all |){us} (with|that have|having|who have) {q} {t}", "{us} with {q} {t}", "what {us} have {q} {t}"],
        ["name the {us} counting {q} {t}", "single out the {us} to which {q} {t} belong"],
    ),
    "join_none": (
        ["which {us} have no {t}", "(show|list|find|give me|get|what are) (the |all |){us} (without|without any|with no|that have no|who have no|having no) {t}", "which {us} (do not|don't) have (any|a single) {t9}", "{us} (without|without any|with no) {t}", "(find|list|show) (all |the |){us} (that|who) (do not|don't) have any {t}", "(find|list) {us} (who|that) have never had (any |){t}"],
        ["name the {us} lacking {t}", "to which {us} do no {t} belong"],
    ),
    "join_where": (
        ["(show|list|give me|display|get|return|find) (|the |all ){cs} of (|all |the |all the ){t} {b}", "what (is|are) the {cs} of (|the |all ){t} {b}", "{cs} of {t} {b}", "(show|list|find) (the |){c} (of|for) (each|every|all) {s} {b}", "i (want|need) the {cs} of {t} {b}", "what {cs} do {t} {b} have", "select {c} from {t} {b}"],
        ["pull (up |)the {cs} of {t} {b}", "let me see the {cs} for {t} {b}"],
    ),
    "join_count_where": (
        ["how many {t} (are there|do we have|exist|) {b}", "(count|count all|count the) {t} {b}", "(what is|give me|show|tell me|find|return) the (number|total number|count) of {t} {b}", "(number|count) of {t} {b}", "how many {t} (belong to|are there for|are linked to|are from|come from) {uw}", "how many {t} (does|do) {uw} have", "how many {t} {b} are there"],
        ["tally {t} {b}", "what number of {t} go with {uw}"],
    ),
    "join_agg_where": (
        ["(what is|what's|find|show|give me|compute|calculate|get|return) the {a} {c} (of|for|across) (|all |the ){t} {b}", "{a} {c} of {t} {b}", "(what is|find|show) the {a} {c} of (the |){t} (from|of|belonging to|for) {uw}", "(what is|find|show) the {a} {t9} {c} (for|of) {uw}"],
        ["work out the {a} {c} over {t} {b}"],
    ),
    "join_list": (
        ["(show|list|give me|display|get|find|return) (the |){c} of each {s} (with|and|together with|along with) the {d} of (its|the|their) {u}", "(show|list|get|display) (all |){cs} of {t} (with|and|along with|together with) (the|their) {u} {ds}", "(show|list|get) {t} {c} and {u} {d}", "for (each|every) {s}, (show|list|give|display) (its|the) {c} and the {d} of (its|the) {u}", "(list|show|what are) the {c} of {t} and the {d} of (its|their|the) {us9}", "what is the {c} of each {s} and the {d} of its {u}"],
        ["pull {t} {c} next to {u} {d}", "pair the {c} of every {s} with the {d} of its {u}"],
    ),
}

# How a parent's condition is attached to the child's mention: {uw} is the parent with its condition.
BELONGS: tuple[list[str], list[str]] = (
    ["of (|the ){uw}", "(belonging to|that belong to) (|the ){uw}", "for (|the ){uw}", "whose {u} {vp}", "from (|the ){uw}", "of the {uw}", "with (a|an|the) {uw}", "linked to (|the ){uw}"],
    ["tied to (|the ){uw}", "that go with (|the ){uw}"],
)
