"""How many of the names of real GGUF files are understood: `python benchmarks/names.py LISTINGS.jsonl`.

`--sample 300 --seed 7` prints files to be checked by eye with what was understood of them and of their repository:
half from the 15 accounts with most files, ten each, the rest from as many other accounts.

Read so in November 2026, seed 7 over 50,069 files: kind, quant and shard are right for 298 of 300;
`lora_model.F16.gguf`, taken for an adapter, may be a model that was merged, and `QK4_tet` is no quant of anybody. Of
the repositories size, active size and tuning are right for all that say them; for eight a number that is no version is
taken for one: of experts (`7-experts`), of a pruned share (`REAP-39`, `80pct`), of epochs and samples (`2ep`,
`4k3sample`, `ckpt2250`), or in the name of an account (`c4ai`, `soob3123`).

Read by eye, over listings of 2026-08: of 300 files and their repositories with seed 7, no file and 12 repositories
were misread; after what they showed was mended, of 300 with seed 11, 1 and 10; after those, of the 150 of small
accounts with seed 13, none and 4. Misread are still names in which a number counts something else: percents
(`REAP-50`, `80pct`), samples (`FT-4k3sample`), a 16 written for bits (`3b-16b-finetuned`), `i1` before another word
(`i1-VISION`), and the account in front of a name where no card tells it.

A line of the listings is a JSON object with `repo_id` and `files`, as the Hub's API gives them. A file counts
as classified when its kind is known and, for a model, its quant: a type of llama.cpp, the scheme of a maker, or
that the name says none at all, in which case only the header can. What is left are names with a quant in them
that is not understood.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Final

from lmpm.gguf import file_name, model_name
from lmpm.gguf.file_name import FileName

# What looks like a quant to people: a name with it in which none was found is not understood.
LOOKS_LIKE_A_QUANT: Final = re.compile(
    r"(?<![a-z])i?q[1-8](?![a-z0-9.])|[1-8]-?bit|bpw|fp?16|mxfp|nvfp|int[48]", re.IGNORECASE
)

LARGE: Final = 15  # accounts


def main() -> None:
    """Count the kinds and print the share, and a random sample for reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("listings", type=Path)
    parser.add_argument("--sample", type=int, default=0, help="print this many files with what was understood")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unclear", action="store_true", help="print every name that was not classified")
    options = parser.parse_args()
    names = [
        (row["repo_id"], file_name.parse_file_name(path, repository=row["repo_id"]))
        for row in map(json.loads, options.listings.read_text(encoding="utf-8").splitlines())
        for path in row["files"]
        if path.lower().endswith(".gguf")
    ]
    counts = Counter(_class(name) for _, name in names)
    print(f"{len(names):,} files")
    for kind, count in counts.most_common():
        print(f"{count:8,}  {count / len(names):7.2%}  {kind}")
    unclear = [(repo, name) for repo, name in names if _class(name) == "not understood"]
    print(f"classified: {1 - len(unclear) / len(names):.3%}")
    silent = counts["model, its name says no quant"]
    print(f"classified with a quant or another kind than model: {1 - (len(unclear) + silent) / len(names):.3%}")
    if options.unclear:
        for repo, name in unclear:
            print(f"{repo}  {name.path}")
    sample = _sample(names, options.sample, random.Random(options.seed))
    for number, (repo, name) in enumerate(sample, start=1):
        known = model_name.parse_model_name(repo)
        shard = "{} of {}".format(*name.shard) if name.shard else ""
        print(f"{number:3} {repo}  {name.path}")
        print(f"      file: {name.kind} · {name.quant or '-'} · {shard or 'whole'} · {name.model or '(as repo)'}")
        size = f"{known.parameters / 1e9:g}B" if known.parameters else "-"
        active = f" of them {known.active_parameters / 1e9:g}B at once" if known.active_parameters else ""
        print(f"      repo: {known.key} · {size}{active} · {' '.join(known.versions) or '-'} · {known.tuning or '-'}")


def _sample(names: list[tuple[str, FileName]], count: int, chance: random.Random) -> list[tuple[str, FileName]]:
    """Files of large and of small accounts, half of each."""
    accounts: dict[str, list[tuple[str, FileName]]] = {}
    for repo, name in names:
        accounts.setdefault(repo.partition("/")[0], []).append((repo, name))
    large = sorted(accounts, key=lambda account: (-len(accounts[account]), account))[:LARGE]
    small = sorted(set(accounts) - set(large))
    each = count // 2 // LARGE
    taken = [item for account in large for item in chance.sample(accounts[account], min(each, len(accounts[account])))]
    left = min(count - len(taken), len(small))
    return taken + [chance.choice(accounts[account]) for account in chance.sample(small, left)]


def _class(name: FileName) -> str:
    if name.kind != "model":
        return name.kind
    if name.quant is None:
        file = name.path.rpartition("/")[2]
        return "not understood" if LOOKS_LIKE_A_QUANT.search(file) else "model, its name says no quant"
    return "model, a type of llama.cpp" if name.is_exact else "model, a scheme of its maker"


if __name__ == "__main__":
    main()
