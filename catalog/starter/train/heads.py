"""Heads: the phrasings of every question kind.

A question is a noun phrase put into a frame ("could you show me ..."), or a whole sentence.
Slots: t/s the table in plural/singular, w conditions after the table, k conditions as a verb
phrase, c/d columns, cs/ds/gs columns in plural, g a grouping column, n a number, u/us the parent
table, b what ties a row to its parent, o an order, z an order with its column, x/y superlatives.
"""

# One phrasing family to a line, however long.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Head:
    """The phrasings of one kind: noun phrases for one value or for many rows, and whole sentences."""

    many: bool
    nouns: list[str]
    wholes: list[str]


# Frames for any noun phrase, for one value, and for many rows.
FRAMES: dict[str, list[str]] = {
    "any": [
        "{}", "{}", "{}", "{} please", "show {}", "show me {}", "show us {}", "please show me {}", "give me {}", "give us {}", "get {}", "get me {}", "find {}", "find me {}", "find out {}", "return {}",
        "display {}", "print {}", "tell me {}", "i want {}", "i need {}", "we need {}", "we want {}", "i want to see {}", "i need to see {}", "i would like to see {}", "i'd like to see {}", "i would like to know {}", "i want to know {}", "i need to know {}",
        "please give me {}", "please find {}", "please return {}", "please show {}", "please display {}", "can you show me {}", "can you give me {}", "can you find {}", "can you get {}", "could you show me {}", "could you give me {}", "could you find {}",
        "could you tell me {}", "can you tell me {}", "can i see {}", "can i get {}", "can i have {}", "could i see {}", "could i get {}", "show me {} please", "give me {} please", "let me see {}", "let me have {}", "let me know {}", "let us see {}", "we would like to see {}", "we want to know {}", "would you show me {}", "would you give me {}",
        "retrieve {}", "provide {}", "report {}", "select {}", "query {}", "look up {}", "write a query for {}", "write a query to find {}", "write sql to get {}", "sql for {}",
    ],
    "one": [
        "what is {}", "what is {}", "what is {}", "what is {}", "what's {}", "what's {}", "what would be {}", "what was {}", "calculate {}", "compute {}", "determine {}", "please calculate {}", "please compute {}", "can you calculate {}", "can you compute {}", "could you calculate {}", "do you know {}",
    ],
    "many": [
        "list {}", "list {}", "list {}", "show {}", "show me {}", "what are {}", "what are {}", "what are {}", "please list {}", "can you list {}", "could you list {}", "list out {}", "i want a list of {}", "give me a list of {}", "show me a list of {}", "get a list of {}", "fetch {}", "i need a list of {}", "make a list of {}",
    ],
}

HEADS: dict[str, Head] = {
    "count_all": Head(False,
        ["the number of {t}", "the total number of {t}", "the count of {t}", "the {s} count", "the (number|count) of all {t}", "the number of (rows|records|entries) in {t}", "how many {t} (there are|exist|we have)", "how many {t} are in the (table|database)", "the total count of {t}", "the total of all {t}", "the overall number of {t}"],
        ["how many {t} are there", "how many {t} exist", "how many {t} do we have", "how many {t} are there in total", "how many {t} are in the table", "how many {t}", "(count|count all|count the|count all the) {t}", "number of {t}", "total {t}", "total number of {t}", "how many (rows|records|entries) (are there in|are in|does|has) {t}", "how many {t} do we have in total", "how many {t} are stored in the database", "please count the {t}", "can you count the {t}", "how many different {t} are there"]),
    "count_where": Head(False,
        ["the number of {t} {w}", "the total number of {t} {w}", "the count of {t} {w}", "the (number|count) of all {t} {w}", "the number of those {t} {w}", "how many {t} {k}", "how many {t} {w} (there are|exist|we have)", "how many of the {t} {k}", "the total count of {t} {w}", "the overall number of {t} {w}"],
        ["how many {t} {k}", "how many {t} {k}", "how many {t} {k}", "how many {t} are there {w}", "how many {t} {w} are there", "how many {t} {w} exist", "how many {t} {w} do we have", "how many {t} do we have {w}", "how many of the {t} {k}", "how many of our {t} {k}", "(count|count all|count the|count all the) {t} {w}", "number of {t} {w}", "total number of {t} {w}", "please count the {t} {w}", "can you count the {t} {w}", "how many {t} do we know of {w}", "how many {t} exist {w}", "count how many {t} {k}"]),
    "select_all": Head(True,
        ["all {t}", "all the {t}", "all of the {t}", "every {s}", "the {t}", "each {s}", "all (rows|records|data|information|details) (of|from|in|about) {t}", "every (row|record) (of|from|in) {t}", "the (whole|full|entire) {s} (table|list)", "everything in {t}", "everything about {t}", "the complete list of {t}", "all our {t}", "the data of all {t}"],
        ["show {t}", "list {t}", "what {t} are there", "what {t} do we have", "which {t} do we have", "which {t} are there", "which {t} exist", "select all from {t}", "select everything from {t}", "everything from {t}", "who are the {t}", "which {t} are in the table"]),
    "select_where": Head(True,
        ["all {t} {w}", "all the {t} {w}", "all of the {t} {w}", "every {s} {w}", "the {t} {w}", "{t} {w}", "each {s} {w}", "all (rows|records|data|information|details) (of|about|for) {t} {w}", "everything about {t} {w}", "those {t} {w}", "any {t} {w}", "the full list of {t} {w}", "our {t} {w}", "only {t} {w}", "just the {t} {w}"],
        ["which {t} {k}", "which {t} {k}", "which {t} {k}", "what {t} {k}", "tell me which {t} {k}", "which of the {t} {k}", "which are the {t} {w}", "i want to know which {t} {k}", "are there {t} {w}", "are there any {t} {w}", "do we have {t} {w}", "what {t} are there {w}", "which {t} are there {w}", "search for {t} {w}", "look for {t} {w}", "select all {t} {w}", "who are the {t} {w}", "filter {t} {w}", "find out which {t} {k}"]),
    "columns": Head(True,
        ["the {cs} of all {t} {w}", "the {cs} of {t} {w}", "the {cs} of the {t} {w}", "the {c} of (each|every|all) {s} {w}", "all {cs} of {t} {w}", "{cs} of {t} {w}", "the {cs} (for|from) {t} {w}", "the {c} for (each|every|all) {s} {w}", "the {s} {cs} {w0}", "just the {cs} of {t} {w}", "only the {c} of {t} {w}", "every {c} of {t} {w}", "the {c} column of {t} {w}", "the {cs} belonging to {t} {w}", "a list of the {cs} of {t} {w}"],
        ["what {cs} do {t} {w} have", "what {cs} do the {t} {w} have", "select {c} from {t} {w}", "for (each|every) {s} {w} show the {c}", "which {cs} do {t} {w} have", "what is the {c} of each {s} {w}", "list {t} {w} by {c} only", "what {c} does each {s} {w} have"]),
    "columns2": Head(True,
        ["the {c} and {d} of {t} {w}", "the {c} and {d} of all {t} {w}", "the {c} and the {d} of {t} {w}", "{c} and {d} of {t} {w}", "the {c} and {d} of (each|every) {s} {w}", "{c}, {d} (from|of) {t} {w}", "the {cs} and {ds} of {t} {w}", "the {c} and {d} for {t} {w}", "both the {c} and the {d} of {t} {w}", "{t} {w} with their {c} and {d}", "the {c} as well as the {d} of {t} {w}", "the {c} with the {d} of {t} {w}"],
        ["for (each|every|all) {s} {w} show the {c} and the {d}", "select {c} and {d} from {t} {w}", "select {c}, {d} from {t} {w}", "what {c} and {d} do {t} {w} have", "for all {t} {w}, list {c} and {d}"]),
    "avg": Head(False,
        ["the average {c} of {t} {w}", "the mean {c} of {t} {w}", "the avg {c} of {t} {w}", "the average {c} (for|across|among|over) {t} {w}", "the average {c} of (all|all the|the) {t} {w}", "the average of {c} (for|in|over|of) {t} {w}", "the mean {c} (for|across|among|over) all {t} {w}", "the average {s} {c} {w0}", "average {c} of {t} {w}", "the mean of the {cs} of {t} {w}", "the average value of {c} for {t} {w}", "the average {c} that {t} {w} have", "the {c} {t} {w} have on average", "the average {c} per {s} {w}"],
        ["on average, what is the {c} of {t} {w}", "what {c} do {t} {w} have on average", "how (much|high|large|big) is the average {c} of {t} {w}", "average {c} for {t} {w}", "mean {c} of {t} {w}", "what is the {c} of {t} {w} on average", "avg {c} of {t} {w}", "how much is the mean {c} of {t} {w}"]),
    "sum": Head(False,
        ["the total {c} of {t} {w}", "the sum of {c} (of|for|over) {t} {w}", "the sum of the {cs} of {t} {w}", "the total {c} (for|across|over) {t} {w}", "the total {c} of (all|all the|the) {t} {w}", "the total of {c} (for|in|over|of) {t} {w}", "the combined {c} of {t} {w}", "the overall {c} of {t} {w}", "the total {s} {c} {w0}", "total {c} of {t} {w}", "the sum of all {cs} (of|for|over) {t} {w}", "the {c} {t} {w} have in total", "the summed {c} of {t} {w}", "the {c} total of {t} {w}"],
        ["what {c} do {t} {w} have in total", "how (much|high|large|big) is the total {c} of {t} {w}", "total {c} for {t} {w}", "sum the {c} of {t} {w}", "sum of {c} for {t} {w}", "add up the {cs} of {t} {w}", "add up all {cs} of {t} {w}", "what is the {c} of {t} {w} in total", "sum up the {c} of {t} {w}", "how much {c} do {t} {w} have in total", "how much is the sum of {c} of {t} {w}"]),
    "max": Head(False,
        ["the (highest|maximum|max|largest|greatest|biggest) {c} of {t} {w}", "the (highest|maximum|largest) {c} (for|among|across|over) {t} {w}", "the (highest|maximum|max|largest) {c} of (all|all the|the) {t} {w}", "the maximum of {c} (for|in|over|of) {t} {w}", "the (highest|maximum|largest) {s} {c} {w0}", "(highest|maximum|max|largest) {c} of {t} {w}", "the (highest|maximum|largest) {c} any {s} {w} has", "the maximum value of {c} for {t} {w}", "the (highest|largest) value of {c} of {t} {w}", "the (highest|maximum) {c} that {t} {w} have", "the upper limit of {c} for {t} {w}"],
        ["how (high|large|big) is the (highest|maximum|largest) {c} of {t} {w}", "(highest|maximum|largest) {c} for {t} {w}", "what is the (highest|maximum|largest) {c} {t} {w} have", "what {c} is the (highest|largest) among {t} {w}", "which {c} is the (highest|largest) of {t} {w}", "max {c} of {t} {w}", "of all {t} {w}, what is the (highest|maximum|largest) {c}"]),
    "min": Head(False,
        ["the (lowest|minimum|min|smallest|least) {c} of {t} {w}", "the (lowest|minimum|smallest) {c} (for|among|across|over) {t} {w}", "the (lowest|minimum|min|smallest) {c} of (all|all the|the) {t} {w}", "the minimum of {c} (for|in|over|of) {t} {w}", "the (lowest|minimum|smallest) {s} {c} {w0}", "(lowest|minimum|min|smallest) {c} of {t} {w}", "the (lowest|minimum|smallest) {c} any {s} {w} has", "the minimum value of {c} for {t} {w}", "the (lowest|smallest) value of {c} of {t} {w}", "the (lowest|minimum) {c} that {t} {w} have", "the lower limit of {c} for {t} {w}"],
        ["how (low|small) is the (lowest|minimum|smallest) {c} of {t} {w}", "(lowest|minimum|smallest) {c} for {t} {w}", "what is the (lowest|minimum|smallest) {c} {t} {w} have", "what {c} is the (lowest|smallest) among {t} {w}", "which {c} is the (lowest|smallest) of {t} {w}", "min {c} of {t} {w}", "of all {t} {w}, what is the (lowest|minimum|smallest) {c}"]),
    "distinct": Head(True,
        ["the (distinct|different|unique) {cs} of {t} {w}", "all (distinct|different|unique) {cs} of {t} {w}", "all the (distinct|different|unique) {cs} (in|from|for|among) {t} {w}", "(distinct|different|unique) {cs} of {t} {w}", "the (distinct|different|unique) {cs} (in|from|for|among) {t} {w}", "the (distinct|unique) values of {c} (in|of|for) {t} {w}", "every (distinct|different|unique) {c} of {t} {w}", "the {cs} of {t} {w} without (duplicates|repeats)", "each {c} of {t} {w} once", "each (distinct|different|unique) {c} of {t} {w}", "the {cs} of {t} {w} with no (duplicates|repeats)"],
        ["what (distinct|different|unique) {cs} do {t} {w} have", "which (distinct|different|unique) {cs} do {t} {w} have", "select distinct {c} from {t} {w}", "what (distinct|different|unique) {cs} are there (among|for|in) {t} {w}", "which (distinct|different|unique) {cs} are there (among|for|in) {t} {w}", "what different values of {c} do {t} {w} have"]),
    "count_distinct": Head(False,
        ["the number of (distinct|different|unique) {cs} of {t} {w}", "the number of (distinct|different|unique) {cs} (in|among|for) {t} {w}", "the count of (distinct|different|unique) {cs} of {t} {w}", "how many (distinct|different|unique) {cs} {t} {w} have", "the number of (distinct|unique) values of {c} (in|of|for) {t} {w}", "how many (distinct|different|unique) {cs} there are (among|in|for) {t} {w}", "the total number of (distinct|different|unique) {cs} of {t} {w}", "the count of (distinct|different|unique) {cs} (in|among|for) {t} {w}"],
        ["how many (distinct|different|unique) {cs} are there (in|among|for) {t} {w}", "how many (distinct|different|unique) {cs} do {t} {w} have", "(count|count the) (distinct|different|unique) {cs} (of|in|among) {t} {w}", "number of (distinct|different|unique) {cs} (of|in|for) {t} {w}", "how many (distinct|different|unique) {cs} exist (in|among|for) {t} {w}", "how many different values of {c} do {t} {w} have", "how many (distinct|different|unique) {cs} of {t} {w} are there"]),
    "group_count": Head(True,
        ["the number of {t} {w} (per|by|for each|in each|for every) {g}", "the count of {t} {w} (per|by|for each|in each) {g}", "the number of {t} {w} grouped by {g}", "how many {t} {w} there are (per|for each|in each) {g}", "each {g} with (the|its) number of {t} {w}", "each {g} and (the|its) number of {t} {w}", "the {gs} (and|with) their number of {t} {w}", "the {gs} and how many {t} {w} each has", "the {s} count (per|by|for each|in each) {g} {w0}", "{s} counts (per|by) {g} {w0}", "for each {g} the number of {t} {w}", "the number of {t} {w} each {g} has", "every {g} together with the number of {t} {w}"],
        ["how many {t} {w} are there (per|for each|in each|by|for every|in every) {g}", "how many {t} {w} (per|for each|in each|by) {g}", "count {t} {w} (per|by|for each|in each) {g}", "count the {t} {w} grouped by {g}", "number of {t} {w} (per|by|for each|in each) {g}", "for each {g}, how many {t} {w} are there", "for (each|every) {g}, count the {t} {w}", "how many {t} {w} does each {g} have", "group {t} {w} by {g} and count them", "for every {g} show the number of {t} {w}", "per {g}, how many {t} {w} are there", "how many {t} {w} do we have (per|for each|in each) {g}", "group the {t} {w} by {g} and show the count"]),
    "group_agg": Head(True,
        ["the {a} {c} of {t} {w} (per|by|for each|in each|for every) {g}", "the {a} {c} of {t} {w} grouped by {g}", "the {a} {c} (per|by|for each|in each) {g} (of|for|among) {t} {w}", "each {g} with (the|its) {a} {c} of {t} {w}", "each {g} and (the|its) {a} {c} of {t} {w}", "the {gs} and (the|their) {a} {c} of {t} {w}", "for each {g} the {a} {c} of {t} {w}", "the {a} {s} {c} (per|by|for each|in each) {g} {w0}", "{a} {c} of {t} {w} (per|by) {g}", "every {g} together with the {a} {c} of {t} {w}"],
        ["what is the {a} {c} of {t} {w} (per|for each|in each|in every) {g}", "for (each|every) {g}, what is the {a} {c} of {t} {w}", "for each {g}, show the {a} {c} of {t} {w}", "how (much|high) is the {a} {c} of {t} {w} (per|in each|for each) {g}", "group {t} {w} by {g} and show the {a} {c}", "per {g}, what is the {a} {c} of {t} {w}", "what {a} {c} do {t} {w} have (per|in each|for each) {g}"]),
    "having": Head(True,
        ["the {gs} with {q} {t}", "the {gs} that have {q} {t}", "all {gs} with {q} {t}", "{gs} with {q} {t}", "the {gs} having {q} {t}", "every {g} with {q} {t}", "all {gs} that have {q} {t}", "each {g} that has {q} {t}", "the {gs} that occur {q} times (in|among) {t}", "the {gs} of {t} that appear {q} times", "the {gs} for which there are {q} {t}", "every {g} that has {q} {t}"],
        ["which {gs} have {q} {t}", "what {gs} have {q} {t}", "for which {gs} are there {q} {t}", "which {gs} appear in {q} {t}", "which {gs} occur {q} times (in|among) {t}", "which {gs} of {t} occur {q} times", "which {gs} are there with {q} {t}", "which {gs} do {q} {t} have"]),
    "ordered": Head(True,
        ["all {t} {w} (ordered|sorted) by {c} {o}", "the {t} {w} (ordered|sorted) by {c} {o}", "{t} {w} (ordered|sorted) by {c} {o}", "all {t} {w} in order of {c} {o}", "the {t} {w} in order of {c} {o}", "all {t} {w} {z}", "the {t} {w} {z}", "{t} {w} {z}", "every {s} {w} (ordered|sorted) by {c} {o}", "the list of {t} {w} sorted by {c} {o}", "all the {t} {w} arranged by {c} {o}", "a list of {t} {w} ordered by {c} {o}"],
        ["sort {t} {w} by {c} {o}", "order {t} {w} by {c} {o}", "sort (all|the) {t} {w} by {c} {o}", "order (all|the) {t} {w} by {c} {o}", "arrange {t} {w} by {c} {o}", "select all {t} {w} and sort them by {c} {o}", "show {t} {w} and order them by {c} {o}", "sorted by {c} {o}, show the {t} {w}"]),
    "columns_ordered": Head(True,
        ["the {ds} of {t} {w} (ordered|sorted) by {c} {o}", "the {ds} of all {t} {w} (ordered|sorted) by {c} {o}", "{ds} of {t} {w} (ordered|sorted) by {c} {o}", "the {d} of (each|every|all) {s} {w} (ordered|sorted) by {c} {o}", "the {ds} of {t} {w} in order of {c} {o}", "the {ds} of {t} {w} {z}", "{ds} of {t} {w} {z}", "all {ds} of {t} {w} {z}", "all {ds} of {t} {w} sorted by {c} {o}", "the {ds} of the {t} {w} arranged by {c} {o}", "a list of the {ds} of {t} {w} ordered by {c} {o}"],
        ["sort the {ds} of {t} {w} by {c} {o}", "order the {ds} of {t} {w} by {c} {o}", "arrange the {ds} of {t} {w} by {c} {o}", "what {ds} do {t} {w} have, ordered by {c} {o}", "sorted by {c} {o}, show the {ds} of {t} {w}", "select the {ds} of {t} {w} and sort them by {c} {o}"]),
    "top_n": Head(True,
        ["the {n} {t} {w} with the {x} {c}", "{n} {t} {w} with the {x} {c}", "the {y} {n} {t} {w} by {c}", "{y} {n} {t} {w} by {c}", "the {y} {n} {t} {w} (in terms of|based on|ranked by|ordered by|sorted by) {c}", "the {n} {t} {w} having the {x} {c}", "the {n} {t} {w} that have the {x} {c}", "the {n} {x} {c} {t} {w}", "those {n} {t} {w} with the {x} {c}", "our {y} {n} {t} {w} by {c}", "the {y} {n} {t} {w} with the {x} {c}", "the {n} {t} {w} whose {c} is the {x}"],
        ["which {n} {t} {w} have the {x} {c}", "what {n} {t} {w} have the {x} {c}", "who are the {n} {t} {w} with the {x} {c}", "which are the {n} {t} {w} with the {x} {c}", "which {n} {t} {w} are there with the {x} {c}", "by {c}, what are the {y} {n} {t} {w}", "of all {t} {w}, which {n} have the {x} {c}"]),
    "superlative": Head(False,
        ["the {s} {w} with the {x} {c}", "{s} {w} with the {x} {c}", "the {s} {w} having the {x} {c}", "the {s} {w} that has the {x} {c}", "the one {s} {w} with the {x} {c}", "which {s} {w} has the {x} {c}", "the {s} {w} whose {c} is the {x}", "the single {s} {w} with the {x} {c}", "the {x} {c} {s} {w}", "which of the {t} {w} has the {x} {c}"],
        ["which {s} {w} has the {x} {c}", "what {s} {w} has the {x} {c}", "who is the {s} {w} with the {x} {c}", "which of the {t} {w} has the {x} {c}", "which {s} {w} is the one with the {x} {c}", "among {t} {w}, which has the {x} {c}", "of all {t} {w}, which one has the {x} {c}", "which one of the {t} {w} has the {x} {c}", "who has the {x} {c} (among|of) the {t} {w}"]),
    "columns_top": Head(True,
        ["the {ds} of the {n} {t} {w} with the {x} {c}", "{ds} of the {n} {t} {w} with the {x} {c}", "the {d} of the {n} {t} {w} having the {x} {c}", "the {ds} of the {y} {n} {t} {w} by {c}", "the {d} of the {y} {n} {t} {w} (by|in terms of|based on) {c}", "the {ds} of the {n} {t} {w} that have the {x} {c}", "the {d} for the {n} {t} {w} with the {x} {c}", "all {ds} of the {n} {t} {w} with the {x} {c}"],
        ["which {ds} do the {n} {t} {w} with the {x} {c} have", "what {ds} do the {n} {t} {w} with the {x} {c} have", "for the {n} {t} {w} with the {x} {c}, show the {d}", "of the {n} {t} {w} with the {x} {c}, show the {ds}", "select the {d} of the {n} {t} {w} with the {x} {c}"]),
    "value_of": Head(False,
        ["the {c} of {s} {v}", "the {c} of the {s} {v}", "the {c} for {s} {v}", "the {c} of the {s} named {v}", "the {c} of the {s} called {v}", "{c} of {s} {v}", "the {c} for the {s} named {v}", "{s} {v}'s {c}", "the {c} belonging to {s} {v}", "the {c} that {s} {v} has"],
        ["what {c} does {s} {v} have", "which {c} does {s} {v} have", "what {c} does the {s} named {v} have", "for {s} {v}, what is the {c}", "what {c} does the {s} called {v} have"]),
    "join_count": Head(True,
        ["the number of {t} (for each|per|of each|by|for every) {u}", "the count of {t} (per|by|for each|of each) {u}", "the number of {t} grouped by {u}", "how many {t} each {u} has", "each {u} with (the|its) number of {t}", "each {u} and (the|its) number of {t}", "the {us} (and|with) their number of {t}", "the {us} and how many {t} each has", "all {us} with their number of {t}", "for each {u} the number of {t}", "the number of {t} each {u} has", "the {s} count (per|by|for each|of each) {u}", "every {u} together with the number of {t}"],
        ["how many {t} does each {u} have", "how many {t} does every {u} have", "how many {t} do {us} each have", "how many {t} are there (per|for each|by) {u}", "count the {t} of each {u}", "count {t} (per|by|for each) {u}", "number of {t} (per|by|for each|of each) {u}", "for (each|every) {u}, how many {t} are there", "for (each|every) {u}, count the {t}", "how many {t} belong to each {u}", "per {u}, how many {t} are there", "for every {u} show the number of {t}", "how many {t} do we have (per|for each) {u}", "group {t} by {u} and count them"]),
    "join_agg": Head(True,
        ["the {a} {c} of {t} (for each|per|of each|by|for every) {u}", "the {a} {c} of the {t} of each {u}", "each {u} with (the|its) {a} {c} of {t}", "each {u} and (the|its) {a} {c} of {t}", "the {us} (and|with) (the|their) {a} {c} of {t}", "for each {u} the {a} {c} of {t}", "the {a} {s} {c} (per|for each|by|of each) {u}", "all {us} with the {a} {c} of their {t}", "the {a} {c} of {t} grouped by {u}", "{a} {c} of {t} (per|by) {u}", "every {u} together with the {a} {c} of {t}"],
        ["what is the {a} {c} of {t} (per|for each|of each) {u}", "for (each|every) {u}, what is the {a} {c} of {t}", "for each {u}, show the {a} {c} of {t}", "for every {u} show the {a} {c} of its {t}", "per {u}, what is the {a} {c} of {t}", "how (much|high) is the {a} {c} of {t} (per|for each) {u}", "group {t} by {u} and show the {a} {c}", "what {a} {c} of {t} does each {u} have"]),
    "join_where": Head(True,
        ["the {cs} of {t} {b}", "the {cs} of all {t} {b}", "the {cs} of the {t} {b}", "{cs} of {t} {b}", "the {c} of (each|every|all) {s} {b}", "all {cs} of {t} {b}", "the {cs} (for|from) {t} {b}", "the {c} for each {s} {b}", "only the {c} of {t} {b}", "every {c} of {t} {b}"],
        ["what {cs} do {t} {b} have", "what {cs} do the {t} {b} have", "select {c} from {t} {b}", "which {cs} do {t} {b} have", "for each {s} {b} show the {c}", "what is the {c} of each {s} {b}"]),
    "join_count_where": Head(False,
        ["the number of {t} {b}", "the total number of {t} {b}", "the count of {t} {b}", "how many {t} {b} (there are|exist|we have)", "the (number|count) of all {t} {b}", "how many {t} {uw} (has|have)", "the number of {t} {uw} (has|have)"],
        ["how many {t} are there {b}", "how many {t} {b} are there", "how many {t} do we have {b}", "how many {t} {b} exist", "how many {t} {b} do we have", "(count|count all|count the) {t} {b}", "number of {t} {b}", "how many {t} does {uw} have", "how many {t} do {uw} have", "how many {t} belong to {uw}", "how many {t} are there for {uw}", "how many of the {t} belong to {uw}"]),
}

# How a parent's condition is attached to the child's mention: {uw} is the parent with its condition.
BELONGS: list[str] = [
    "of {uw}", "of the {uw}", "belonging to {uw}", "belonging to the {uw}", "that belong to {uw}", "that belong to the {uw}", "for {uw}", "for the {uw}", "whose {u} {vp}", "whose {u} {vp}", "from {uw}", "from the {uw}", "with the {uw}", "with (a|an) {uw}", "linked to {uw}", "linked to the {uw}",
    "that go with {uw}", "which belong to {uw}", "where the {u} {vp}", "that are linked to {uw}", "that have {uw}",
]
