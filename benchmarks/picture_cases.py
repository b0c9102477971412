"""Writes the sets for `vision` and `ocr`: pictures that are drawn here, and what is in them.

    python -m benchmarks.picture_cases            # needs Pillow

The same seed gives the same questions; the pictures are the same to a pixel with the same Pillow. The letters are those
of Pillow's own font.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

SEED: Final = 4_711
EVALS: Final = Path(__file__).parents[1] / "catalog" / "evals"
PICTURES: Final = EVALS / "pictures"
SIZE: Final = (480, 360)
COLOURS: Final = {
    "red": "#d1242f", "blue": "#0969da", "green": "#1a7f37", "yellow": "#f5c400",
    "black": "#24292f", "purple": "#8250df",
}  # fmt: skip
SHAPES: Final = ("circle", "square", "triangle", "star")
WAYS: Final = {"right": 0, "down": 90, "left": 180, "up": 270}  # degrees, clockwise
ITEMS: Final = (
    "Bread", "Milk", "Apples", "Cheese", "Coffee", "Rice", "Candles", "Soap", "Paper", "Honey", "Tea", "Olives",
)  # fmt: skip
SIGNS: Final = (
    ("PLATFORM 12", "TRAINS TO LEEDS"), ("CLOSED ON MONDAYS",), ("NO ENTRY", "DELIVERIES AT GATE C"),
    ("MAXIMUM SPEED 35",), ("WET PAINT", "PLEASE DO NOT TOUCH"),
)  # fmt: skip
LETTERS: Final = (  # in lines as they are drawn
    "Dear Ms Okafor,\nyour parcel was handed to a neighbour at\nnumber 17. Please call us by Friday if it\nis damaged.",
    "The library opens at nine and closes at\nsix. Books may be kept for four\nweeks and renewed twice, no longer.",
    "Minutes: the roof will be repaired in May.\nMr Lindqvist asks three firms.\nThe next meeting is on 14 April.",
    "Mix the flour with the salt, add cold\nwater little by little, and knead the\ndough for ten minutes. Let it rest.",
    "We regret that flight BX 208 is delayed\nby about two hours. Vouchers for a meal\nare handed out at desk 44.",
)
FORMS: Final = (
    {"Name": "Ingrid Solheim", "Born": "1987-03-09", "Passport": "N7204418", "City": "Tromso"},
    {"Device": "Pump 3B", "Serial": "KX-90417-Q", "Checked": "2026-02-11", "Next": "2027-02-11"},
    {"Patient": "R. Castellano", "Ward": "5 East", "Dose": "250 mg", "Every": "8 hours"},
    {"Order": "SO-118203", "Carrier": "Nordfreight", "Weight": "12.4 kg", "Boxes": "3"},
    {"Room": "214", "Guest": "Amara Diallo", "Arrives": "3 June", "Nights": "4"},
)

Drawn = tuple[Image.Image, dict[str, Any]]


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font."""
    return ImageFont.load_default(size)


def canvas(colour: str = "white") -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty picture."""
    image = Image.new("RGB", SIZE, colour)
    return image, ImageDraw.Draw(image)


def shape(draw: ImageDraw.ImageDraw, kind: str, x: float, y: float, radius: float, colour: str) -> None:
    """One shape around a point."""
    box = (x - radius, y - radius, x + radius, y + radius)
    if kind == "circle":
        draw.ellipse(box, fill=colour)
    elif kind == "square":
        draw.rectangle(box, fill=colour)
    else:
        corners = 3 if kind == "triangle" else 10
        reach = [radius if kind == "triangle" or number % 2 == 0 else radius * 0.42 for number in range(corners)]
        turns = [2 * math.pi * number / corners - math.pi / 2 for number in range(corners)]
        points = [(x + far * math.cos(turn), y + far * math.sin(turn)) for far, turn in zip(reach, turns, strict=True)]
        draw.polygon(points, fill=colour)


def places(chance: random.Random, number: int) -> list[tuple[int, int]]:
    """So many middles of cells of a grid, none twice."""
    cells = [(60 + 90 * column, 60 + 80 * row) for column in range(5) for row in range(4)]
    return chance.sample(cells, number)


def counting(chance: random.Random) -> Drawn:
    """How many of one shape there are, among others."""
    image, draw = canvas()
    wanted, other = chance.sample(SHAPES, 2)
    number, others = chance.randint(3, 7), chance.randint(2, 4)
    for place, (x, y) in enumerate(places(chance, number + others)):
        kind = wanted if place < number else other
        shape(draw, kind, x, y, 26, COLOURS[chance.choice(["red", "blue", "green", "purple"])])
    asked = f"How many {wanted}s are in the picture? Answer with one number."
    return image, {"prompt": asked, "check": "number", "expected": number, "tags": ["count"]}


def colour(chance: random.Random) -> Drawn:
    """Which colour one of four shapes has."""
    image, draw = canvas()
    colours = chance.sample(list(COLOURS), 4)
    for kind, name, (x, y) in zip(SHAPES, colours, places(chance, 4), strict=True):
        shape(draw, kind, x, y, 32, COLOURS[name])
    kind, name = chance.choice(list(zip(SHAPES, colours, strict=True)))
    asked = f"Which colour is the {kind}? Answer with one word."
    return image, label(asked, list(COLOURS), name, "colour")


def position(chance: random.Random) -> Drawn:
    """Which of three shapes is at one side."""
    image, draw = canvas()
    kinds = chance.sample(SHAPES, 3)
    sideways = chance.random() < 0.5
    for place, kind in enumerate(kinds):
        x, y = (90 + 150 * place, chance.randint(80, 280)) if sideways else (chance.randint(80, 400), 70 + 110 * place)
        shape(draw, kind, x, y, 36, COLOURS[chance.choice(list(COLOURS))])
    first = chance.random() < 0.5
    side = ("leftmost" if first else "rightmost") if sideways else ("topmost" if first else "lowest")
    asked = f"Which shape is the {side} one: {', '.join(SHAPES)}? Answer with one word."
    return image, label(asked, list(SHAPES), kinds[0 if first else -1], "position")


def largest(chance: random.Random) -> Drawn:
    """Which shape is the largest."""
    image, draw = canvas()
    kinds = chance.sample(SHAPES, 3)
    for place, (kind, radius) in enumerate(zip(kinds, (74, 38, 22), strict=True)):
        shape(draw, kind, (120, 290, 400)[place], 180, radius, COLOURS[chance.choice(list(COLOURS))])
    asked = f"Which shape is the largest: {', '.join(SHAPES)}? Answer with one word."
    return image, label(asked, list(SHAPES), kinds[0], "size")


def bars(chance: random.Random) -> Drawn:
    """What a chart of bars says."""
    image, draw = canvas()
    days = ["Mon", "Tue", "Wed", "Thu", "Fri"]
    values = chance.sample(range(10, 100, 10), len(days))
    for line in range(0, 101, 20):
        y = 310 - line * 2.7
        draw.line((50, y, 460, y), fill="#d0d7de")
        draw.text((10, y - 9), str(line), fill="black", font=font(16))
    for place, (day, value) in enumerate(zip(days, values, strict=True)):
        x = 70 + 80 * place
        draw.rectangle((x, 310 - value * 2.7, x + 46, 310), fill=COLOURS["blue"])
        draw.text((x + 4, 318), day, fill="black", font=font(20))
    high = chance.random() < 0.5
    asked = f"Which bar is the {'highest' if high else 'lowest'}: {', '.join(days)}? Answer with its name alone."
    return image, label(asked, days, days[values.index(max(values) if high else min(values))], "chart")


def prices(chance: random.Random) -> Drawn:
    """What something costs by a table."""
    image, draw = canvas()
    names = chance.sample(ITEMS, 5)
    costs = [chance.randint(110, 990) / 100 for _ in names]
    for place, (name, cost) in enumerate(zip(names, costs, strict=True)):
        y = 30 + 62 * place
        draw.text((50, y), name, fill="black", font=font(32))
        draw.text((330, y), f"{cost:.2f}", fill="black", font=font(32))
        draw.line((40, y + 50, 440, y + 50), fill="#8c959f")
    name, cost = chance.choice(list(zip(names, costs, strict=True)))
    asked = f"What is the price of {name.lower()} in the list? Answer with the number alone."
    return image, {"prompt": asked, "check": "number", "expected": cost, "tags": ["table"]}


def clock(chance: random.Random) -> Drawn:
    """Which full hour it is."""
    image, draw = canvas()
    hour = chance.randint(1, 12)
    draw.ellipse((90, 30, 390, 330), outline="black", width=6)
    for number in range(1, 13):
        turn = math.radians(number * 30 - 90)
        x, y = 240 + 120 * math.cos(turn), 180 + 120 * math.sin(turn)
        draw.text((x, y), str(number), fill="black", font=font(26), anchor="mm")
    for turn, reach, width in ((hour * 30, 62, 11), (0, 98, 6)):
        angle = math.radians(turn - 90)
        draw.line((240, 180, 240 + reach * math.cos(angle), 180 + reach * math.sin(angle)), fill="black", width=width)
    asked = "The long hand of the clock is at 12. Which hour is it? Answer with one number."
    return image, {"prompt": asked, "check": "number", "expected": hour, "tags": ["clock"]}


def arrow(chance: random.Random) -> Drawn:
    """Where an arrow points."""
    image, draw = canvas()
    way = chance.choice(list(WAYS))
    turn = math.radians(WAYS[way])
    outline = [(-110, -22), (20, -22), (20, -70), (120, 0), (20, 70), (20, 22), (-110, 22)]
    turned = [(240 + x * math.cos(turn) - y * math.sin(turn), 180 + x * math.sin(turn) + y * math.cos(turn))
              for x, y in outline]  # fmt: skip
    draw.polygon(turned, fill=COLOURS[chance.choice(["red", "blue", "green", "black"])])
    asked = "Where does the arrow point: up, down, left or right? Answer with one word."
    return image, label(asked, list(WAYS), way, "direction")


def dice(chance: random.Random) -> Drawn:
    """What two dice show together."""
    image, draw = canvas("#1a7f37")
    shown = [chance.randint(1, 6), chance.randint(1, 6)]
    spots = {1: "c", 2: "ai", 3: "aci", 4: "afdi", 5: "afdic", 6: "afdibh"}
    at = {"a": (-1, -1), "b": (-1, 0), "d": (-1, 1), "c": (0, 0), "f": (1, -1), "h": (1, 0), "i": (1, 1)}
    for place, number in enumerate(shown):
        x, y = 140 + 200 * place, 180
        draw.rounded_rectangle((x - 75, y - 75, x + 75, y + 75), 18, fill="white")
        for spot in spots[number]:
            shape(draw, "circle", x + 42 * at[spot][0], y + 42 * at[spot][1], 14, "#24292f")
    asked = "How many spots do the two dice show together? Answer with one number."
    return image, {"prompt": asked, "check": "number", "expected": sum(shown), "tags": ["count"]}


def trend(chance: random.Random) -> Drawn:
    """Whether a line rises or falls."""
    image, draw = canvas()
    way = chance.choice(["rises", "falls", "stays level"])
    slope = {"rises": -4.2, "falls": 4.2, "stays level": 0.0}[way]
    middle = 180 - slope * 25
    points = [(60 + 7.6 * x, middle + slope * x + chance.uniform(-9, 9)) for x in range(51)]
    draw.line((50, 20, 50, 320, 460, 320), fill="black", width=3)
    draw.line(points, fill=COLOURS["red"], width=4)
    asked = "From left to right, the line in the chart: rises, falls, or stays level? Answer with these words."
    return image, label(asked, ["rises", "falls", "stays level"], way, "chart")


def label(prompt: str, labels: list[str], expected: str, tag: str) -> dict[str, Any]:
    """A case whose answer is one of some words."""
    return {"prompt": prompt, "check": "label", "labels": labels, "expected": expected, "tags": [tag]}


def signs(_: random.Random) -> Iterator[Drawn]:
    """Large words."""
    for number, lines in enumerate(SIGNS):
        back = ("#0969da", "#24292f", "#d1242f", "#1a7f37", "#57606a")[number]
        image, draw = canvas(back)
        for place, line in enumerate(lines):
            draw.text((240, 140 + 80 * place), line, fill="white", font=font(36), anchor="mm")
        yield image, {"check": "facts", "must": list(lines), "tags": ["sign"]}


def receipts(chance: random.Random) -> Iterator[Drawn]:
    """What was bought, and the sum."""
    for _ in range(5):
        image, draw = canvas()
        bought = [(name, chance.randint(95, 1995) / 100) for name in chance.sample(ITEMS, 5)]
        total = sum(cost for _, cost in bought)
        number = str(chance.randint(1000, 9999))
        draw.text((240, 26), f"RECEIPT {number}", fill="black", font=font(26), anchor="mm")
        for place, (name, cost) in enumerate([*bought, ("TOTAL", total)]):
            y = 62 + 46 * place
            draw.text((60, y), name, fill="black", font=font(26))
            draw.text((420, y), f"{cost:.2f}", fill="black", font=font(26), anchor="ra")
        must = [number, *(word for name, cost in bought for word in (name, f"{cost:.2f}")), f"{total:.2f}"]
        yield image, {"check": "facts", "must": must, "tags": ["receipt"]}


def letters(_: random.Random) -> Iterator[Drawn]:
    """Sentences over several lines."""
    for text in LETTERS:
        image, draw = canvas("#fdf8ee")
        draw.multiline_text((30, 60), text, fill="#1f2328", font=font(22), spacing=12)
        yield image, {"check": "chrf", "expected": text.replace("\n", " "), "least": 90, "tags": ["letter"]}


def tables(chance: random.Random) -> Iterator[Drawn]:
    """Rows and columns with lines."""
    for _ in range(5):
        image, draw = canvas()
        heads = ["City", *chance.sample(["2021", "2022", "2023", "2024", "2025"], 2)]
        cities = chance.sample(["Turin", "Ghent", "Porto", "Malaga", "Lyon", "Graz", "Brno"], 4)
        cells = [heads, *([city, str(chance.randint(100, 999)), str(chance.randint(100, 999))] for city in cities)]
        for row, line in enumerate(cells):
            for column, word in enumerate(line):
                x, y = 30 + 140 * column, 30 + 60 * row
                draw.rectangle((x, y, x + 140, y + 60), outline="black")
                draw.text((x + 14, y + 14), word, fill="black", font=font(26))
        yield image, {"check": "facts", "must": [word for line in cells for word in line], "tags": ["table"]}


def codes(chance: random.Random) -> Iterator[Drawn]:
    """Letters and digits that no word helps to read; a little askew."""
    for number in range(5):
        image, draw = canvas("#eaeef2")
        made = ["-".join("".join(chance.choices("ABCEFHKLMNPRTUVWXY3479", k=4)) for _ in range(3)) for _ in range(3)]
        for place, line in enumerate(made):
            draw.text((70, 80 + 75 * place), line, fill="#1f2328", font=font(34))
        turned = image.rotate((-3, -1.5, 0, 1.5, 3)[number], resample=Image.Resampling.BICUBIC, fillcolor="#eaeef2")
        yield turned, {"check": "facts", "must": made, "tags": ["code"]}


def forms(_: random.Random) -> Iterator[Drawn]:
    """Names of fields and what stands in them."""
    for form in FORMS:
        image, draw = canvas()
        for place, (name, value) in enumerate(form.items()):
            y = 36 + 78 * place
            draw.text((30, y + 12), name, fill="#57606a", font=font(22))
            draw.rectangle((170, y, 450, y + 50), outline="#8c959f", width=2)
            draw.text((182, y + 10), value, fill="black", font=font(26))
        yield image, {"check": "facts", "must": list(form.values()), "tags": ["form"]}


def write(task: str, drawn: list[Drawn], *, is_list: bool) -> None:
    """The pictures of a set, and its cases."""
    lines = []
    for number, (image, case) in enumerate(drawn, start=1):
        name = f"{task}-{number:02d}-{case['tags'][0]}"
        image.quantize(16).save(PICTURES / f"{name}.png", optimize=True)
        path = f"pictures/{name}.png"
        lines.append(json.dumps({"id": name, "image": [path] if is_list else path, **case}))
    (EVALS / f"{task}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    """Draw all."""
    PICTURES.mkdir(exist_ok=True)
    chance = random.Random(SEED)
    seen = (counting, colour, position, largest, bars, prices, clock, arrow, dice, trend)
    write("vision", [draw(chance) for draw in seen for _ in range(3)], is_list=True)
    read = (signs, receipts, letters, tables, codes, forms)
    write("ocr", [drawn for draw in read for drawn in draw(chance)], is_list=False)


if __name__ == "__main__":
    main()
