"""From a reference to a choice: the catalog's answer, the Hub's confirmation, and what is on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmpm import catalog
from lmpm.catalog.catalog import Catalog
from lmpm.errors import (
    HashMismatchError,
    IntegrityError,
    NetworkError,
    NotFoundError,
    NotPermittedError,
    OfflineError,
    SpecError,
    UnknownNameError,
)
from lmpm.hub.client import Hub
from lmpm.hub.http import Http
from lmpm.hub.patience import Patience
from lmpm.machine.chips import load_chips
from lmpm.machine.spec import parse_spec
from lmpm.resolver.checks.pins import is_pinned
from lmpm.resolver.constraints import Constraints
from lmpm.resolver.resolver import Resolver, Where
from lmpm.store.cache import Store
from lmpm.types import HubSource, Machine, Variant
from tests.loopback import Bytes, LoopbackHub, faults, listed
from tests.loopback.families import QWEN_7B, header


@pytest.fixture(scope="module")
def real() -> Catalog:
    return catalog.load(catalog.directory())


@pytest.fixture(scope="module")
def machine() -> Machine:
    return parse_spec("M2, 16GB", load_chips(catalog.directory()))


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        yield server


def resolver(real: Catalog, store: Path, endpoint: str, *, offline: bool = False, token: str | None = None) -> Resolver:
    http = Http(endpoint, token=token)
    return Resolver(real, Hub(http, offline=offline, patience=Patience(backoff_s=0)), Store(store, store / "home"))


@pytest.fixture
def offline(real: Catalog, tmp_path: Path) -> Resolver:
    return resolver(real, tmp_path, "http://127.0.0.1:9", offline=True)


@pytest.fixture
def online(real: Catalog, tmp_path: Path, hub: LoopbackHub) -> Resolver:
    return resolver(real, tmp_path, hub.endpoint)


def add(hub: LoopbackHub, repo: str, sizes: dict[str, int], **facts: Any) -> str:
    files = {path: listed(size, path) for path, size in sizes.items()}
    return hub.add_repo(repo, files, **facts).commit


class TestCatalog:
    @pytest.mark.parametrize(
        ("typed", "model"),
        [
            ("qwen3 8b", "qwen3-8b"),
            ("Qwen3 8B", "qwen3-8b"),
            ("qwen 3 8b", "qwen3-8b"),
            ("qwen3 8b q4_k_m", "qwen3-8b"),
            ("qwen2.5 coder 7b instruct", "qwen2.5-coder-7b-instruct"),
            ("llama 3.2 3b instruct", "llama-3.2-3b-instruct"),
            ("qwen3 30b a3b thinking 2507", "qwen3-30b-a3b-thinking-2507"),
        ],
    )
    def test_words_that_spell_a_title_are_that_model(
        self, online: Resolver, hub: LoopbackHub, machine: Machine, typed: str, model: str
    ) -> None:
        """Without a search: the catalog knows it."""
        found = online.resolve(typed, machine, Constraints(), where="catalog")
        assert found.choice.request.model == model
        assert not hub.requests

    def test_a_word_more_searches_the_hub(self, online: Resolver, hub: LoopbackHub, machine: Machine) -> None:
        with pytest.raises(UnknownNameError):
            online.resolve("qwen3 8b finance", machine, Constraints(), where="catalog")
        assert any("search=" in request.query for request in hub.requests)

    def test_what_made_a_quant_may_be_left_out(self, online: Resolver, hub: LoopbackHub, machine: Machine) -> None:
        head = header(QWEN_7B)
        files = {"m-UD-Q4_K_XL.gguf": 5 * 2**30, "m-Q8_0.gguf": 8 * 2**30}
        hub.add_repo("org/m-GGUF", {path: listed(size, path, head) for path, size in files.items()})
        found = online.resolve("org/m-GGUF:q4_k_xl", machine, Constraints(), where="catalog")
        assert found.choice.request.quant == "UD-Q4_K_XL"
        assert found.choice.chosen and found.choice.chosen.variant.quant == "UD-Q4_K_XL"

    def test_a_task_takes_its_defaults(self, offline: Resolver, machine: Machine) -> None:
        found = offline.resolve("text-to-sql", machine, Constraints(), where="catalog")
        request = found.choice.request
        assert (request.task, request.context, request.min_speed) == ("text-to-sql", 8192, 0.0)
        assert request.waiting is not None and request.waiting.prompt_tokens == 1000 and request.useful == 45
        assert found.choice.chosen is not None and found.choice.chosen.variant.quality > 45
        assert found.choice.considered == len(found.variants)
        assert found.pinned is is_pinned(found.choice.chosen.variant)

    def test_an_alias_is_the_task(self, offline: Resolver, machine: Machine) -> None:
        by_alias = offline.resolve("SQL", machine, Constraints(), where="catalog").choice
        assert by_alias.request.task == "text-to-sql"

    def test_wishes_go_before_defaults(self, offline: Resolver, machine: Machine) -> None:
        constraints = Constraints(context=2048, min_speed=0.0, quant="Q4_K_M", max_size=3 * 2**30)
        choice = offline.resolve("text-to-sql", machine, constraints, where="catalog").choice
        assert (choice.request.context, choice.request.min_speed) == (2048, 0.0)
        assert choice.chosen is not None and choice.chosen.variant.quant == "Q4_K_M"
        assert choice.chosen.variant.size <= 3 * 2**30

    def test_a_model_is_chosen_among_its_own_quants(self, offline: Resolver, machine: Machine) -> None:
        found = offline.resolve("Qwen2.5-Coder-7B-Instruct", machine, Constraints(), where="catalog")
        assert {variant.model for variant in found.variants} == {"qwen2.5-coder-7b-instruct"}
        assert found.task is not None and found.task.name == "text-to-sql"

    @pytest.mark.parametrize(
        ("text", "constraints", "error", "suggestion"),
        [
            ("text-to-sq", Constraints(), UnknownNameError, "text-to-sql"),
            ("txt2sql", Constraints(), UnknownNameError, "text-to-sql"),
            ("bge-m4", Constraints(), UnknownNameError, "bge-m3"),
            ("bge-m3:Q2_K", Constraints(), UnknownNameError, None),
            ("bge-m3", Constraints(task="chatt"), UnknownNameError, "chat"),
            ("chat", Constraints(task="chat"), SpecError, None),
            ("./x.gguf", Constraints(), SpecError, None),
        ],
    )
    def test_names_that_are_none(
        self,
        offline: Resolver,
        machine: Machine,
        text: str,
        constraints: Constraints,
        error: type[Exception],
        suggestion: str | None,
    ) -> None:
        with pytest.raises(error) as caught:
            offline.resolve(text, machine, constraints, where="catalog")
        if suggestion and isinstance(caught.value, UnknownNameError):
            assert suggestion in caught.value.suggestions


class TestHub:
    def test_a_repository_that_the_catalog_does_not_know(
        self, online: Resolver, hub: LoopbackHub, machine: Machine
    ) -> None:
        commit = add(
            hub,
            "someone/New-7B-GGUF",
            {"New-7B-Q4_K_M.gguf": 4_400_000_000, "New-7B-Q8_0.gguf": 7_700_000_000, "New-7B-F16.gguf": 15_000_000_000},
            gguf={"total": 7_000_000_000, "architecture": "llama", "context_length": 32768},
            card_data={"license": "mit"},
        )
        hub.faults.add(faults.OtherBody(b"no gguf at all"), "*/resolve/*")
        with pytest.raises(IntegrityError, match="New-7B"):  # its header is read before it is chosen
            online.resolve("someone/New-7B-GGUF", machine, Constraints(), where="hub")
        assert commit

    def test_what_is_gone_is_passed_over(self, online: Resolver, hub: LoopbackHub, machine: Machine) -> None:
        with pytest.raises(NotFoundError) as caught:
            online.resolve("text-to-sql", machine, Constraints(), where="hub")
        assert "None of the" in caught.value.message and len(caught.value.details) >= 2

    def test_a_file_that_is_gone_from_its_repository(
        self, online: Resolver, hub: LoopbackHub, machine: Machine, real: Catalog
    ) -> None:
        variant = self.best(online, machine)
        assert isinstance(variant.source, HubSource)
        add(hub, variant.source.repo, {"other-Q8_0.gguf": 1000})
        with pytest.raises(NotFoundError) as caught:
            online.pin(variant)
        assert "has no file" in caught.value.message

    def test_a_pin_has_commit_sizes_and_digests(self, online: Resolver, hub: LoopbackHub, machine: Machine) -> None:
        variant = self.best(online, machine)
        assert isinstance(variant.source, HubSource)
        commit = add(
            hub, variant.source.repo, {file.path: file.size for file in variant.files}, card_data={"license": "mit"}
        )
        pinned, notes = online.pin(variant)
        assert is_pinned(pinned) and isinstance(pinned.source, HubSource) and pinned.source.revision == commit
        assert [file.path for file in pinned.files] == [file.path for file in variant.files]
        assert any("licence mit" in note for note in notes)

    def test_another_size_is_remarked(self, online: Resolver, hub: LoopbackHub, machine: Machine) -> None:
        variant = self.best(online, machine)
        assert isinstance(variant.source, HubSource)
        add(hub, variant.source.repo, {file.path: file.size // 2 for file in variant.files})
        _, notes = online.pin(variant)
        assert any("is not the one the catalog knows" in note for note in notes)

    def test_other_bytes_under_the_same_commit_are_an_alarm(
        self, online: Resolver, hub: LoopbackHub, real: Catalog
    ) -> None:
        model = real.model("bge-m3")
        assert model is not None
        variant = next(item for item in real.variants_of(model) if is_pinned(item))
        assert isinstance(variant.source, HubSource)
        hub.add_repo(
            variant.source.repo,
            {file.path: Bytes(b"other") for file in variant.files},
            commit_id=variant.source.revision,
        )
        with pytest.raises(HashMismatchError) as caught:
            online.pin(variant)
        assert "do not trust the server" in (caught.value.hint or "")

    def test_a_gated_repository_without_and_with_a_token(
        self, real: Catalog, tmp_path: Path, hub: LoopbackHub, machine: Machine
    ) -> None:
        from tests.loopback import Token

        without = resolver(real, tmp_path, hub.endpoint)
        variant = self.best(without, machine)
        assert isinstance(variant.source, HubSource)
        add(hub, variant.source.repo, {file.path: file.size for file in variant.files}, gated="auto")
        hub.tokens["hf_x"] = Token("ada")
        with pytest.raises(NotPermittedError) as caught:
            without.pin(variant)
        assert "gated" in caught.value.message and "hf auth login" in (caught.value.hint or "")
        assert is_pinned(resolver(real, tmp_path, hub.endpoint, token="hf_x").pin(variant)[0])

    def test_a_server_that_is_down_is_no_reason_to_take_another(
        self, real: Catalog, tmp_path: Path, machine: Machine
    ) -> None:
        with pytest.raises(NetworkError):
            resolver(real, tmp_path, "http://127.0.0.1:9").resolve("text-to-sql", machine, Constraints(), where="hub")

    def best(self, online: Resolver, machine: Machine) -> Variant:
        chosen = online.resolve("text-to-sql", machine, Constraints(), where="catalog").choice.chosen
        assert chosen is not None
        return chosen.variant


class TestHere:
    @pytest.mark.parametrize("where", ["here"])
    def test_an_empty_store_has_nothing_but_the_starter(
        self, offline: Resolver, machine: Machine, where: Where
    ) -> None:
        choice = offline.resolve("embeddings", machine, Constraints(), where=where).choice
        assert choice.chosen is None and choice.rejected == ()

    def test_a_repository_that_is_not_here(self, offline: Resolver, machine: Machine) -> None:
        with pytest.raises(OfflineError):
            offline.resolve("someone/x-GGUF", machine, Constraints(), where="here")
