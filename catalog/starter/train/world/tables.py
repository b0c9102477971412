"""Tables: schemas of one to five tables about entities or invented things, and the values that they hold."""

from __future__ import annotations

import random
from itertools import accumulate

from catalog.starter.train import identifiers, schema
from catalog.starter.train.identifiers import Name
from catalog.starter.train.schema import Column, Schema, Table
from catalog.starter.train.world import ddl, pools
from catalog.starter.train.world.concepts import BY_KEY, Concept, number, text
from catalog.starter.train.world.entities import ENTITIES, PARENTS, Entity
from catalog.starter.train.world.things import Field, Thing, World

TABLES = (1, 2, 3, 4, 5)
TABLE_WEIGHTS = (26, 34, 22, 12, 6)
INVENTED_SHARE = 0.3  # of the schemas: all their tables have made-up names
INVENTED_COLUMN_SHARE = 0.12  # of the columns of the other ones
COMMON_WEIGHT = 4  # of a noun that many databases have
RELATED_SHARE = 0.6  # of the tables that are often beside another one of the schema
SHOWN_SHARE = 0.5  # of the schemas: values stand in the prompt
LABELS = {
    "person": ("name", "name", "full_name", "first"),
    "title": ("title", "title", "name"),
    "first": ("name",),
    "code": ("number", "code", "name", "label", "identifier"),
    "article": ("name", "name", "title", "{s}_name"),
    "firm": ("name", "name", "company_name", "{s}_name"),
    "place": ("name", "name", "{s}_name"),
    "goods": ("name", "name", "title"),
    "department": ("name", "name", "dept_name", "{s}_name"),
    "city": ("name", "name", "{s}_name"),
    "country": ("name", "name", "{s}_name"),
}
SHAPE_WORDS = ("type", "class", "group", "kind")


def _values(rng: random.Random, concept: Concept, heldout: bool) -> tuple[str, ...]:
    """The few texts that a column holds, all in one spelling."""
    style = rng.choices((str, str.capitalize, str.upper), (80, 17, 3))[0]
    many = rng.choice((2, 3, 3, 4, 4, 5, 6, 8))
    found = dict.fromkeys(pools.draw(rng, concept.pool, heldout) for _ in range(many))
    return tuple(dict.fromkeys(style(v) if v.islower() else v for v in found))


def _invented(rng: random.Random, kind: str, style: str, heldout: bool) -> Field:
    """A column with a made-up name."""
    word = identifiers.novel_word(rng, heldout)
    snake = (
        word
        if rng.random() < 0.75
        else f"{word}_{rng.choice(SHAPE_WORDS if kind == 'text' else ('count', 'level', 'value'))}"
    )
    if kind == "date":
        snake = word + rng.choice(("_date", "_at", "_on", "_day"))
    name = identifiers.column_name(rng, snake, style)
    column = Column(name, kind, rng.choice(schema.TYPES[kind]), "", None, rng.random() < 0.3)
    spoken = " ".join(name.said) if kind != "date" else word + " date"
    if kind == "text":
        made = text(
            word,
            name.sql,
            spoken,
            rng.choice(("city", "color", "job", "status", "brand", "genre", "person", "goods", "music", "region")),
        )
        return Field(column, made, spoken, _values(rng, made, heldout), (), True)
    made = number(word, name.sql, spoken, rng.choice((10, 100, 1000, 10000)))
    return Field(column, made, spoken, (), (), True)


def _field(rng: random.Random, concept: Concept, style: str, heldout: bool, taken: set[str]) -> Field | None:
    """A column of a concept whose spellings and words no other column of the table has."""
    spelling = rng.choice(concept.spellings)
    if concept.kind == "flag" and rng.random() < 0.2:
        spelling = "is_" + spelling.removeprefix("is_")
    name = identifiers.column_name(rng, spelling, style)
    spoken = [word for word in concept.spoken if word not in taken]
    said = name.spoken
    if said in taken or not spoken or any(word in taken for word in said.split() if len(said.split()) == 1):
        return None
    own = said if concept.kind != "date" or rng.random() < 0.2 else spoken[0]
    own = own if rng.random() < 0.6 else rng.choice(spoken)
    taken |= {said, *concept.spoken}
    column = Column(name, concept.kind, rng.choice(schema.TYPES[concept.kind]), "", None, rng.random() < 0.3)
    values = _values(rng, concept, heldout) if concept.pool else ()
    return Field(column, concept, own, values, tuple(word for word in spoken if word != own))


def _names(rng: random.Random, pool: str, noun: str, style: str, heldout: bool) -> list[Field]:
    """The columns that name a row."""
    kind = rng.choice(LABELS[pool])
    spellings = ["first_name", "last_name"] if kind == "first" else [kind.format(s=noun)]
    made = []
    for spelling in spellings:
        name = identifiers.column_name(rng, spelling, style)
        column = Column(name, "text", rng.choice(schema.TYPES["text"]), "label", None, rng.random() < 0.5)
        drawn = {"first_name": "first", "last_name": "last"}.get(spelling, pool)
        values = tuple(dict.fromkeys(pools.draw(rng, drawn, heldout) for _ in range(4)))
        made.append(Field(column, None, name.spoken, values))
    return made


def _thing(rng: random.Random, entity: Entity | None, style: str, heldout: bool, plural: bool, made_up: float) -> Thing:
    """Draw the table of an entity, or of something made up."""
    words: tuple[str, ...]
    if entity is None:
        name = identifiers.table_name(rng, "invented", style, heldout, plural)
        words, pool, people = (name.spoken,), rng.choice(("title", "code", "person", "", "article")), False
    else:
        said = tuple(entity.noun.split("_"))
        if rng.random() < 0.06:
            said = (rng.choice(("customer", "company", "school", "shop", "city", "sales", "main")), *said)
        sql = identifiers.spell((*said[:-1], identifiers.pluralise(said[-1])) if plural else said, style)
        if sql.lower() in identifiers.RESERVED:
            sql += "_"
        name = Name(sql, said)
        words, pool, people = (name.spoken, *entity.others), entity.label, entity.is_person
    noun = "_".join(name.said)
    key_name = "id" if rng.random() < 0.75 else f"{noun}_id"
    key = Field(Column(identifiers.column_name(rng, key_name, style), "id", rng.choice(schema.TYPES["id"]), "key"))
    names = _names(rng, pool, noun, style, heldout) if pool and rng.random() < 0.93 else []
    taken = {key.column.name.spoken, noun.replace("_", " "), "id", *(f.column.name.spoken for f in names)}
    fields: list[Field] = []
    sought = rng.choices((2, 3, 4, 5, 6, 7, 8), (8, 18, 26, 22, 14, 8, 4))[0]
    keys = list(entity.concepts) if entity else []
    for _ in range(sought * 3):
        if len(fields) == sought:
            break
        if not keys and entity and not made_up:
            break
        if not keys or rng.random() < made_up or (entity is None and rng.random() < 0.8):
            made = _invented(rng, rng.choices(("text", "int", "real", "date"), (42, 22, 16, 20))[0], style, heldout)
            if made.column.name.spoken not in taken:
                taken.add(made.column.name.spoken)
                fields.append(made)
            continue
        concept = BY_KEY[rng.choice(keys)]
        keys = [k for k in keys if k != concept.key]
        fresh = _field(rng, concept, style, heldout, taken)
        if fresh:
            fields.append(fresh)
    columns = [key, *names]
    rest = list(fields)
    if rng.random() < 0.3:
        rng.shuffle(rest)
    columns += rest
    seen: set[str] = set()
    for f in columns:
        if f.sql.lower() in seen:
            return _thing(rng, entity, style, heldout, plural, made_up)
        seen.add(f.sql.lower())
    return Thing(entity, Table(name, [f.column for f in columns]), words, key, fields, names, [], people)


def _link(rng: random.Random, child: Thing, parent: Thing, style: str) -> None:
    """Give the child a foreign key to the parent."""
    said = parent.table.name.said if rng.random() < 0.85 else parent.table.name.said[-1:]
    name = identifiers.column_name(rng, "_".join((*said, "id")), style)
    if any(c.name.sql.lower() == name.sql.lower() for c in child.table.columns):
        return
    column = Column(name, "fk", rng.choice(schema.TYPES["id"][:3]), "fk", None, rng.random() < 0.4)
    at = rng.choice((1, 1, len(child.table.columns), rng.randint(1, len(child.table.columns))))
    child.table.columns.insert(at, column)
    child.links.append((Field(column, None, " ".join(said)), parent))
    child.table.parent, child.table.foreign = parent.table, column


def _refer_to_itself(rng: random.Random, thing: Thing, style: str) -> None:
    """Give persons a key to one of their own."""
    word = rng.choice(("manager", "supervisor", "mentor", "boss"))
    name = identifiers.column_name(rng, f"{word}_id", style)
    said = {w for f in thing.fields for w in (f.spoken, f.column.name.spoken, *f.others)}
    if word in said or any(c.name.sql.lower() == name.sql.lower() for c in thing.table.columns):
        return
    column = Column(name, "fk", rng.choice(schema.TYPES["id"][:3]), "fk")
    thing.table.columns.append(column)
    thing.links.append((Field(column, None, word), thing))


def _refers(child: Thing, parent: Thing) -> bool:
    """Whether tables of such a child often refer to such a parent."""
    return bool(child.entity and parent.entity and parent.entity.noun in PARENTS.get(child.entity.noun, ()))


def _related(rng: random.Random, entity: Entity, things: list[Thing], known: list[Entity]) -> Entity | None:
    """An entity that often stands beside one of the things, or beside the entity where there are none."""
    nouns = {t.entity.noun for t in things if t.entity}
    if not nouns:
        return entity if entity.noun in PARENTS else None
    beside = {p for n in nouns for p in PARENTS.get(n, ())} | {c for c, ps in PARENTS.items() if nouns & set(ps)}
    found = [e for e in known if e.noun in beside and e.noun not in nouns]
    return rng.choice(found) if found else None


def draw(rng: random.Random, heldout: bool = False, shown: bool | None = None, real: bool = False) -> World:
    """Draw a schema of one to five tables and its text; `shown` puts values into it, or not; `real` invents no name."""
    style = identifiers.choose_style(rng)
    plural = rng.random() < 0.75
    invented = not real and rng.random() < INVENTED_SHARE
    count = rng.choices(TABLES, TABLE_WEIGHTS)[0]
    known = [e for e in ENTITIES if e.is_heldout == heldout]
    weights = list(accumulate(COMMON_WEIGHT if e.is_common else 1 for e in known))
    things: list[Thing] = []
    said: set[str] = set()
    for _ in range(20 * count):
        if len(things) == count:
            break
        entity = None if invented and rng.random() < 0.8 else rng.choices(known, cum_weights=weights)[0]
        related = _related(rng, entity, things, known) if entity and rng.random() < RELATED_SHARE else None
        made = _thing(rng, related or entity, style, heldout, plural, 0 if real else INVENTED_COLUMN_SHARE)
        words = {word for noun in made.words for word in noun.split()}
        if words & said or made.sql.lower() in {t.sql.lower() for t in things}:
            continue
        said |= words
        if things and rng.random() < 0.85:
            other = rng.choice([t for t in things if _refers(t, made) or _refers(made, t)] or things)
            ahead = _refers(made, other) or (not _refers(other, made) and rng.random() < 0.6)
            child, parent = (made, other) if ahead else (other, made)
            _link(rng, child, parent, style)
            if len(things) > 1 and rng.random() < 0.2:
                _link(rng, made, rng.choice([t for t in things if t is not parent] or things), style)
        if made.people and rng.random() < 0.12:
            _refer_to_itself(rng, made, style)
        things.append(made)
    rng.shuffle(things)
    shown = rng.random() < SHOWN_SHARE if shown is None else shown
    drawn = Schema([t.table for t in things])
    drawn.text = ddl.write(rng, things, shown)
    return World(things, drawn, shown)
