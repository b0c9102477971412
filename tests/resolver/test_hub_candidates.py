"""What people type for a model, over hundreds of real repositories: which one is taken, and why not the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lmpm import machine as machines
from lmpm.catalog.catalog import Catalog
from lmpm.errors import (
    AmbiguousNameError,
    EngineError,
    HashMismatchError,
    LmpmError,
    NotFoundError,
    NotPermittedError,
    OfflineError,
    UnknownNameError,
)
from lmpm.hub.client import Hub
from lmpm.hub.header_cache import HeaderCache
from lmpm.hub.http import Http
from lmpm.hub.patience import Patience
from lmpm.hub.response_cache import ResponseCache
from lmpm.resolver.constraints import Constraints
from lmpm.resolver.resolver import Resolution, Resolver
from lmpm.store.cache import Store
from lmpm.types import HubSource, Machine
from tests.loopback import LoopbackHub, Token
from tests.loopback.content import listed
from tests.loopback.families import (
    FAMILY,
    LLAMA_8B,
    ORIGINAL,
    QWEN_7B,
    Listed,
    add_listed,
    add_story,
    header,
    listings,
    small_catalog,
)

MAX_REQUESTS = 12  # of one reference in words
M2, RTX = "M2, 16GB", "RTX 4090, 24GB"
REAL = "bartowski/DeepSeek-R1-Distill-Qwen-7B-GGUF"
TYPED = "deepseek r1 distill qwen 7b"

# What was typed, for which machine, and the repository and quant to be taken. By the rule: the plain model, its most
# trusted repository that has the quant, and of the quants that leave memory free the finest up to Q8_0 that answers in
# comfortable time.
CASES = [
    line.split("|")
    for line in (Path(__file__).parents[1] / "data" / "references.psv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return small_catalog(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def world() -> Iterator[LoopbackHub]:
    """Every repository of the extract."""
    with LoopbackHub() as hub:
        for item in listings():
            add_listed(hub, item)
        yield hub


@pytest.fixture(scope="module")
def crowd() -> Iterator[LoopbackHub]:
    """663 matches for one name."""
    with LoopbackHub() as server:
        assert add_story(server) >= 4
        yield server


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> ResponseCache:
    return ResponseCache(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        yield server


def machine(real: Catalog, spec: str = M2) -> Machine:
    return machines.parse_spec(spec, machines.load_chips(real.directory))


def resolver(real: Catalog, place: Path, server: LoopbackHub, token: str | None = None, **options: Any) -> Resolver:
    hub = Hub(
        Http(server.endpoint, token=token),
        patience=Patience(backoff_s=0),
        kept=HeaderCache(place / "headers"),
        **options,
    )
    return Resolver(real, hub, Store(place / "store", place / "home"))


def taken(found: Resolution) -> tuple[str, str]:
    assert found.choice.chosen is not None, [(item.reason, item.detail) for item in found.choice.rejected]
    variant = found.choice.chosen.variant
    assert isinstance(variant.source, HubSource)
    return variant.source.repo, variant.quant


def story_of(hub: LoopbackHub, repo: str = REAL) -> Listed:
    return next(item for item in listings() if item.id == repo)


class TestTyped:
    def test_there_are_enough_cases(self) -> None:
        assert len(CASES) >= 80

    @pytest.mark.parametrize(("text", "spec", "expected"), CASES, ids=[f"{text} on {spec}" for text, spec, _ in CASES])
    def test_is_resolved(
        self,
        world: LoopbackHub,
        kept: ResponseCache,
        real: Catalog,
        tmp_path: Path,
        text: str,
        spec: str,
        expected: str,
    ) -> None:
        world.reset_log()
        answer = resolver(real, tmp_path, world, cache=kept)
        try:
            found = answer.resolve(text, machine(real, spec), Constraints(), where="hub")
        except LmpmError as error:
            result = f"{type(error).__name__} {error.exit_code}"
        else:
            chosen = found.choice.chosen
            result = ":".join(taken(found)) if chosen else f"nothing fits {found.choice.request.model}"
        assert result == expected
        assert len(world.requests) <= MAX_REQUESTS


class TestStory:
    """663 repositories match one name."""

    def test_one_is_taken_and_every_other_has_its_reason(
        self, crowd: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        crowd.reset_log()
        found = resolver(real, tmp_path, crowd).resolve(TYPED, machine(real), Constraints(), where="hub")
        assert taken(found)[0] == REAL
        assert len(crowd.requests) <= MAX_REQUESTS
        funnel = found.funnel
        assert funnel is not None and funnel.is_complete and funnel.matches == 663
        assert funnel.other_models > len(funnel.others) and funnel.derived_models > 400
        assert funnel.model == FAMILY and 4 <= funnel.of_model < 10
        rest = {item.repo for item in funnel.left_out} | {repo for repo, _ in funnel.taken}
        looked = {request.path.removeprefix("/api/models/") for request in crowd.requests.all()}
        matching = {repo.id for repo in crowd.state.repositories.values() if repo.id != ORIGINAL}
        assert matching <= rest | looked
        assert all(item.detail for item in funnel.left_out)

    def test_derived_ones_are_never_taken_for_the_model(
        self, crowd: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        found = resolver(real, tmp_path, crowd).resolve(TYPED, machine(real), Constraints(), where="hub")
        assert {variant.title for variant in found.variants} == {FAMILY}
        sources = {variant.source.repo for variant in found.variants if isinstance(variant.source, HubSource)}
        assert sources <= {item.id for item in listings() if item.bases == (ORIGINAL,)}

    def test_small_pages_are_followed_to_the_stated_bound(
        self, crowd: LoopbackHub, real: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(crowd.state, "page_size", 50)
        crowd.reset_log()
        found = resolver(real, tmp_path, crowd).resolve(TYPED, machine(real), Constraints(), where="hub")
        assert crowd.count("GET", "/api/models") == 6
        assert found.funnel is not None and not found.funnel.is_complete and found.funnel.matches == 300
        assert taken(found)[0] == REAL and len(crowd.requests) <= MAX_REQUESTS

    def test_the_second_time_nothing_is_asked(self, crowd: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        clock = [1_750_000_000.0]
        cache = ResponseCache(tmp_path / "kept", now=lambda: clock[0])
        first = resolver(real, tmp_path, crowd, cache=cache).resolve(TYPED, machine(real), Constraints(), where="hub")
        crowd.reset_log()
        clock[0] += 60
        again = resolver(real, tmp_path, crowd, cache=cache).resolve(TYPED, machine(real), Constraints(), where="hub")
        assert len(crowd.requests) == 0
        assert taken(again) == taken(first)
        clock[0] += 3600
        late = resolver(real, tmp_path, crowd, cache=cache)
        late.resolve(TYPED, machine(real), Constraints(), where="hub")
        assert len(crowd.requests) > 0

    def test_offline_the_kept_answer_serves_and_its_age_is_known(
        self, crowd: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        clock = [1_750_000_000.0]
        cache = ResponseCache(tmp_path / "kept", now=lambda: clock[0])
        resolver(real, tmp_path, crowd, cache=cache).resolve(TYPED, machine(real), Constraints(), where="hub")
        clock[0] += 5 * 3600
        crowd.reset_log()
        offline = resolver(real, tmp_path, crowd, cache=cache, offline=True)
        found = offline.resolve(TYPED, machine(real), Constraints(), where="catalog")
        assert taken(found)[0] == REAL and len(crowd.requests) == 0
        assert offline.hub.oldest_s == pytest.approx(5 * 3600)
        with pytest.raises(OfflineError):
            offline.resolve("qwen3 8b", machine(real), Constraints(), where="catalog")
        known = offline.resolve("llama 3.1 8b instruct", machine(real), Constraints(), where="catalog")
        assert known.choice.request.model == "llama-3.1-8b-instruct" and known.funnel is None  # the catalog has it


class TestWords:
    """What stands in the words beside the model's name."""

    def test_a_repository_without_its_ending_is_guessed(
        self, world: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        with pytest.raises(NotFoundError) as caught:
            resolver(real, tmp_path, world).resolve(
                REAL.removesuffix("-GGUF"), machine(real), Constraints(), where="hub"
            )
        assert caught.value.hint == f"Did you mean `{REAL}`?"

    def test_a_misspelt_model_of_the_catalog_is_guessed(
        self, world: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        with pytest.raises(UnknownNameError) as caught:
            resolver(real, tmp_path, world).resolve("lama 3.1 8b instruct", machine(real), Constraints(), where="hub")
        assert "`llama-3.1-8b-instruct`" in str(caught.value.hint)

    def test_a_quantizer_that_does_not_have_it_is_no_reason_to_take_it_from_another_silently(
        self, world: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        with pytest.raises((UnknownNameError, AmbiguousNameError)):
            resolver(real, tmp_path, world).resolve(f"tensorblock {TYPED}", machine(real), Constraints(), where="hub")

    def test_a_quant_that_nobody_has_is_answered_with_the_nearest(
        self, world: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        with pytest.raises(NotFoundError) as caught:
            resolver(real, tmp_path, world).resolve("qwq 32b:TQ2_0", machine(real, RTX), Constraints(), where="hub")
        assert any("has no TQ2_0, but" in line and "IQ" in line for line in caught.value.details)

    def test_one_letter_more_is_another_model(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        for name, downloads in (("GLM-4.6", 10), ("GLM-4.6V", 90_000)):
            facts = {"card_data": {"base_model": [f"zai-org/{name}"], "license": "mit"}, "downloads": downloads}
            add_listed(hub, replace(story_of(hub), id=f"unsloth/{name}-GGUF"), shape=QWEN_7B, **facts)
        found = resolver(real, tmp_path, hub).resolve("glm 4.6", machine(real), Constraints(), where="hub")
        assert found.funnel is not None and found.funnel.model == "GLM-4.6"


class TestTrust:
    def add_family(self, hub: LoopbackHub, *repos: str, **facts: Any) -> None:
        for repo in repos:
            add_listed(hub, replace(story_of(hub), id=repo), shape=QWEN_7B, **facts)

    @pytest.mark.parametrize("account", ["bartowskii", "bart0wski", "unsIoth", "unslooth", "ggml_org", "Iiquidai"])
    def test_an_imitated_account_is_never_taken(
        self, hub: LoopbackHub, real: Catalog, tmp_path: Path, account: str
    ) -> None:
        fake = f"{account}/{FAMILY}-GGUF"
        self.add_family(hub, fake, downloads=5_000_000, likes=9_000)
        self.add_family(hub, f"nobody/{FAMILY}-GGUF")
        found = resolver(real, tmp_path, hub).resolve(TYPED, machine(real), Constraints(), where="hub")
        assert taken(found)[0] == f"nobody/{FAMILY}-GGUF"
        assert found.funnel is not None
        assert [item.reason for item in found.funnel.left_out if item.repo == fake] == ["untrusted"]
        with pytest.raises(NotPermittedError) as caught:
            resolver(real, tmp_path, hub).resolve(fake, machine(real), Constraints(), where="hub")
        assert "Did you mean" in str(caught.value.hint)
        commit = hub.state.repo(fake).commit
        by_commit = resolver(real, tmp_path, hub).resolve(f"{fake}@{commit}", machine(real), Constraints(), where="hub")
        assert taken(by_commit)[0] == fake

    def test_a_stranger_is_taken_only_where_nobody_known_has_it(
        self, hub: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        self.add_family(hub, f"stranger/{FAMILY}-GGUF", downloads=3, likes=0)
        alone = resolver(real, tmp_path, hub).resolve(TYPED, machine(real), Constraints(), where="hub")
        assert taken(alone)[0] == f"stranger/{FAMILY}-GGUF"
        self.add_family(hub, REAL)
        assert taken(resolver(real, tmp_path, hub).resolve(TYPED, machine(real), Constraints(), where="hub"))[0] == REAL

    def test_the_quant_that_was_asked_for_decides_between_repositories(
        self, hub: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        self.add_family(hub, REAL)
        other = f"unsloth/{FAMILY}-GGUF"
        add_listed(hub, replace(story_of(hub), id=other, files={f"{FAMILY}-UD-Q4_K_XL.gguf": 0}), shape=QWEN_7B)
        found = resolver(real, tmp_path, hub).resolve(f"{TYPED}:ud-q4_k_xl", machine(real), Constraints(), where="hub")
        assert taken(found) == (other, "UD-Q4_K_XL")

    def test_two_models_as_likely_are_listed(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        for name, org in (("Nova-7B-v1-Chat", "acme"), ("Nova-7B-v1", "acme")):
            self.add_family(hub, f"bartowski/{name}-GGUF", card_data={"base_model": [f"{org}/{name}"]}, downloads=900)
        self.add_family(
            hub, "unsloth/Nova-7B-v1-Chat-GGUF", card_data={"base_model": ["acme/Nova-7B-v1-Chat"]}, downloads=200
        )
        with pytest.raises(AmbiguousNameError) as caught:
            resolver(real, tmp_path, hub).resolve("nova 7b v1", machine(real), Constraints(), where="hub")
        assert caught.value.exit_code == 3 and len(caught.value.choices) == 2
        key = next(key for key, line in caught.value.choices if "Chat" in line)
        found = resolver(real, tmp_path, hub).resolve("nova 7b v1", machine(real), Constraints(model=key), where="hub")
        assert taken(found)[0] == "bartowski/Nova-7B-v1-Chat-GGUF"

    def test_only_derived_ones_are_offered_not_taken(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        self.add_family(hub, f"bartowski/{FAMILY}-abliterated-GGUF", card_data={"base_model": ["x/y-abliterated"]})
        with pytest.raises(AmbiguousNameError, match="nothing more"):
            resolver(real, tmp_path, hub).resolve(TYPED, machine(real), Constraints(), where="hub")
        found = resolver(real, tmp_path, hub).resolve(f"{TYPED} abliterated", machine(real), Constraints(), where="hub")
        assert taken(found)[0] == f"bartowski/{FAMILY}-abliterated-GGUF"

    def test_nothing_at_all(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        with pytest.raises(UnknownNameError):
            resolver(real, tmp_path, hub).resolve("no such model 7b", machine(real), Constraints(), where="hub")

    def test_the_repository_of_the_weights_leads_to_its_copies(
        self, hub: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        add_story(hub, matches=40)
        found = resolver(real, tmp_path, hub).resolve(ORIGINAL, machine(real), Constraints(), where="hub")
        assert taken(found)[0] == REAL


class TestGated:
    def add(self, hub: LoopbackHub, repo: str, **facts: Any) -> None:
        add_listed(hub, replace(story_of(hub), id=repo), shape=QWEN_7B, **facts)

    def test_an_open_copy_is_taken(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        self.add(hub, f"deepseek-ai/{FAMILY}-GGUF", gated="manual", downloads=900_000)
        self.add(hub, REAL)
        found = resolver(real, tmp_path, hub).resolve(TYPED, machine(real), Constraints(), where="hub")
        assert taken(found)[0] == REAL and found.funnel is not None
        assert ("gated", f"deepseek-ai/{FAMILY}-GGUF") in [(item.reason, item.repo) for item in found.funnel.left_out]

    def test_a_gated_one_that_was_named_says_what_to_do(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        gated = f"deepseek-ai/{FAMILY}-GGUF"
        self.add(hub, gated, gated="auto", card_data={"base_model": [ORIGINAL], "license": "mit"})
        for hint in ("Accept", f"`{REAL}`"):
            with pytest.raises(NotPermittedError) as caught:
                resolver(real, tmp_path, hub).resolve(gated, machine(real), Constraints(), where="hub")
            assert caught.value.exit_code == 9
            assert hint in str(caught.value.hint) and "hf auth login" in str(caught.value.hint)
            assert f"{hub.endpoint}/{gated}" in str(caught.value.hint)
            if hint == "Accept":
                self.add(hub, REAL, card_data={"base_model": [ORIGINAL], "license": "mit"})

    def test_nothing_but_gated_ones(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        self.add(hub, REAL, gated="auto")
        with pytest.raises(NotPermittedError, match="gated"):
            resolver(real, tmp_path, hub).resolve(TYPED, machine(real), Constraints(), where="hub")
        hub.tokens["hf_x"] = Token("ada")
        found = resolver(real, tmp_path, hub, token="hf_x").resolve(TYPED, machine(real), Constraints(), where="hub")
        assert taken(found)[0] == REAL

    def test_a_token_that_the_gate_does_not_let_in_leads_to_an_open_copy(
        self, hub: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        gated = f"deepseek-ai/{FAMILY}-GGUF"
        self.add(hub, gated, gated="manual", downloads=900_000)
        hub.tokens["hf_x"] = Token("ada", repos=("ada/*",))
        asked = resolver(real, tmp_path, hub, token="hf_x")
        for ref in (TYPED, gated):  # nothing else is there: what to do is said
            with pytest.raises(NotPermittedError) as caught:
                asked.resolve(ref, machine(real), Constraints(), where="hub")
            assert caught.value.exit_code == 9 and f"{hub.endpoint}/{gated}" in str(caught.value.hint)
        self.add(hub, REAL)
        found = resolver(real, tmp_path, hub, token="hf_x").resolve(TYPED, machine(real), Constraints(), where="hub")
        assert taken(found)[0] == REAL
        assert ("gated", gated) in [
            (item.reason, item.candidate.variant.source.repo)
            for item in found.choice.rejected
            if isinstance(item.candidate.variant.source, HubSource)
        ]


class TestPrivate:
    def test_a_stranger_is_told_that_it_may_be_private(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        """The Hub answers a stranger 401 for what is private and for what does not exist alike."""
        hub.state.bare_401 = True
        add_listed(hub, replace(story_of(hub), id="ada/Mine-7B-GGUF"), private=True)
        for repo in ("ada/Mine-7B-GGUF", "ada/There-is-none-GGUF"):
            with pytest.raises(NotFoundError, match="or it is private") as caught:
                resolver(real, tmp_path, hub).resolve(repo, machine(real), Constraints(), where="hub")
            assert caught.value.exit_code == 3 and "hf auth login" in str(caught.value.hint)

    def test_a_token_that_is_not_accepted_is_no_missing_repository(
        self, hub: LoopbackHub, real: Catalog, tmp_path: Path
    ) -> None:
        add_listed(hub, replace(story_of(hub), id="ada/Mine-7B-GGUF"), private=True)
        with pytest.raises(NotPermittedError) as caught:
            resolver(real, tmp_path, hub, token="hf_bad").resolve(
                "ada/Mine-7B-GGUF", machine(real), Constraints(), where="hub"
            )
        assert caught.value.exit_code == 9 and "hf auth login" in str(caught.value.hint)

    def test_its_owner_finds_it_by_name_and_by_words(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        add_listed(hub, replace(story_of(hub), id="ada/Mine-7B-GGUF", bases=()), private=True, shape=QWEN_7B)
        hub.tokens["hf_x"] = Token("ada", repos=("ada/*",))
        for ref in ("ada/Mine-7B-GGUF", "mine 7b"):
            found = resolver(real, tmp_path, hub, token="hf_x").resolve(ref, machine(real), Constraints(), where="hub")
            assert taken(found)[0] == "ada/Mine-7B-GGUF"

    def test_a_mirror_that_lists_it_to_strangers_does_not_open_it(
        self, real: Catalog, hub: LoopbackHub, tmp_path: Path
    ) -> None:
        add_listed(hub, replace(story_of(hub), id="ada/Mine-7B-GGUF"), private=True, shape=QWEN_7B)
        hub.tokens["hf_x"] = Token("ada")
        cache = ResponseCache(tmp_path / "kept")
        resolver(real, tmp_path, hub, token="hf_x", cache=cache).resolve(
            "mine 7b", machine(real), Constraints(), where="hub"
        )
        for ref in ("mine 7b", "ada/Mine-7B-GGUF"):
            with pytest.raises(NotPermittedError, match="is private") as caught:
                resolver(real, tmp_path, hub, cache=cache).resolve(ref, machine(real), Constraints(), where="hub")
            assert caught.value.exit_code == 9 and "hf auth login" in str(caught.value.hint)


class TestLies:
    """Names that the header contradicts."""

    def add(self, hub: LoopbackHub, repo: str, shape: Any, sizes: dict[str, int], **facts: Any) -> None:
        head = header(shape, name=repo)
        files = {path: listed(size, f"{repo}/{path}", head) for path, size in sizes.items()}
        settings: dict[str, Any] = {
            "card_data": {"base_model": [ORIGINAL], "license": "mit"},
            "downloads": 50_000,
            "likes": 100,
        }
        hub.add_repo(repo, files, **(settings | facts))

    def test_an_8b_called_7b_is_passed_over(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        add_story(hub, matches=12)
        hub.delete(REAL)
        size, now = 4_900_000_000, "2025-06-01T00:00:00.000Z"
        self.add(hub, REAL, LLAMA_8B, {f"{FAMILY}-Q4_K_M.gguf": size}, last_modified=now, gguf={"total": 8_030_261_312})
        found = resolver(real, tmp_path, hub).resolve(f"{TYPED}:Q4_K_M", machine(real), Constraints(), where="hub")
        assert taken(found)[0] != REAL
        lies = [item for item in found.choice.rejected if item.reason == "untrusted"]
        assert lies and all("parameters" in item.detail for item in lies)

    def test_a_size_that_no_such_quant_has(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        self.add(hub, REAL, QWEN_7B, {f"{FAMILY}-Q5_K_M.gguf": 2_700_000_000, f"{FAMILY}-Q4_K_M.gguf": 4_683_073_504})
        found = resolver(real, tmp_path, hub).resolve(REAL, machine(real), Constraints(), where="hub")
        assert taken(found) == (REAL, "Q4_K_M")
        assert any("bits per weight" in item.detail for item in found.choice.rejected)

    def test_an_architecture_that_llama_cpp_does_not_run(self, hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
        self.add(hub, REAL, replace(QWEN_7B, architecture="flux"), {f"{FAMILY}-Q4_K_M.gguf": 4_683_073_504})
        with pytest.raises(EngineError, match="does not run the architecture `flux`"):
            resolver(real, tmp_path, hub).resolve(REAL, machine(real), Constraints(), where="hub")


def test_a_namespace_that_was_registered_anew_is_noticed(hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
    """The catalog pins a commit and digests; somebody else's repository of that name has neither."""
    model = real.model("bge-m3")
    assert model is not None
    variant = next(
        item for item in real.variants_of(model) if isinstance(item.source, HubSource) and item.source.revision
    )
    assert isinstance(variant.source, HubSource)
    files = {file.path: b"GGUF of somebody else" for file in variant.files}
    hub.add_repo(variant.source.repo, files, created_at="2026-10-01T00:00:00.000Z")
    with pytest.raises(NotPermittedError, match="may have changed hands"):
        resolver(real, tmp_path, hub).pin(variant)


def test_files_that_changed_since_they_were_pinned(hub: LoopbackHub, real: Catalog, tmp_path: Path) -> None:
    add_listed(hub, story_of(hub), shape=QWEN_7B)
    first = (
        resolver(real, tmp_path, hub).resolve(f"{REAL}:Q4_K_M", machine(real), Constraints(), where="hub").choice.chosen
    )
    assert first is not None and isinstance(first.variant.source, HubSource)
    path, pinned = first.variant.files[0].path, first.variant.source.revision
    head = header(QWEN_7B, name="mended")
    hub.commit(REAL, {path: listed(4_700_000_000, "mended", head)})
    later = (
        resolver(real, tmp_path, hub).resolve(f"{REAL}:Q4_K_M", machine(real), Constraints(), where="hub").choice.chosen
    )
    assert later is not None and later.variant.files[0].sha256 != first.variant.files[0].sha256
    kept, notes = resolver(real, tmp_path, hub).pin(first.variant)
    assert (kept.files, notes) == (first.variant.files, ())  # what was pinned is still there under its commit
    old = resolver(real, tmp_path, hub).resolve(f"{REAL}:Q4_K_M@{pinned}", machine(real), Constraints(), where="hub")
    assert old.choice.chosen is not None and old.choice.chosen.variant.files == first.variant.files
    hub.rewrite(REAL, path, listed(4_700_000_000, "behind the back", head))
    with pytest.raises(HashMismatchError, match="Hash mismatch"):
        resolver(real, tmp_path, hub).pin(later.variant)
