"""Things: tables with what is known of their columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from catalog.starter.train.schema import Column, Schema, Table
from catalog.starter.train.world.concepts import Concept
from catalog.starter.train.world.entities import Entity


@dataclass(frozen=True)
class Field:
    """A column of a thing: what it means, the word people use for it, and the texts it holds."""

    column: Column
    concept: Concept | None = None
    spoken: str = ""
    values: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # further words for it that mean no other column of the table
    novel: bool = False

    @property
    def sql(self) -> str:
        """Its name in SQL."""
        return self.column.name.sql

    @property
    def nullable(self) -> bool:
        """Whether it can be NULL."""
        return not self.column.not_null


@dataclass(eq=False)
class Thing:
    """A table with what is known of its columns; `key` and `links` are its keys."""

    entity: Entity | None
    table: Table
    words: tuple[str, ...]  # singular nouns that mean it
    key: Field
    fields: list[Field]
    names: list[Field]  # the columns that name a row: one, two of persons, or none
    links: list[tuple[Field, Thing]] = field(default_factory=list)
    people: bool = False

    @property
    def sql(self) -> str:
        """Its name in SQL."""
        return self.table.name.sql

    def of(self, *kinds: str) -> list[Field]:
        """Its columns of some kinds, without keys and names."""
        return [f for f in self.fields if f.column.kind in kinds]

    @cached_property
    def label(self) -> str:
        """What stands behind SELECT for "which": the naming columns, else nothing."""
        return ", ".join(f.sql for f in self.names)


@dataclass
class World:
    """A schema with its things; `shown` says whether values stand in its text."""

    things: list[Thing]
    schema: Schema
    shown: bool

    def only(self, f: Field) -> bool:
        """Whether a column's words mean it alone in the whole schema."""
        said = {f.spoken, f.column.name.spoken}
        return not any(
            said & {g.spoken, g.column.name.spoken} or (g.concept and g.concept is f.concept)
            for thing in self.things
            for g in thing.fields
            if g is not f
        )
