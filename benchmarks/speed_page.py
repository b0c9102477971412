"""Writes docs/speed_here.md from records of `benchmarks/speed_table.py`: one chapter and one picture a model.

    python -m benchmarks.speed_page docs/speed_here.md starter.json smollm2.json gemma.json

What stands above the mark of the page is kept. The pictures lie beside the page, under `speed/`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from lmpm.benchmark import plot_speed, report

MARK: Final = "<!-- from here on written by benchmarks/speed_page.py -->\n"


def main() -> int:
    """Write the page and its pictures."""
    page, *records = map(Path, sys.argv[1:])
    kept = page.read_text("utf-8").partition(MARK)[0] if page.exists() else "# Speed here\n\n"
    pictures = page.parent / "speed"
    pictures.mkdir(exist_ok=True)
    chapters = []
    for path in records:
        record = json.loads(path.read_text("utf-8"))
        picture = pictures / f"{path.stem}.svg"
        plot_speed(record, picture)
        chapters.append(report.markdown(record, picture=f"speed/{picture.name}", level=2))
    page.write_text(kept + MARK + "\n" + "\n".join(chapters), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
