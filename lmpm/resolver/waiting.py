"""How long a user waits for one request of a task, and how much of that is comfortable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.catalog import TaskTime
    from lmpm.types import Speed

Seconds = tuple[float, float]  # the comfortable time, and the longest that is of use


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What one request of a task reads, and the times for its first visible token and for the whole.

    `first_prompt_tokens` are read before the first token: for vectors those of one query, else all. Where
    `shows_thinking` the thoughts are read as they come. `bulk` work is done by the thousand. The answer and its
    thoughts are as long as `answer_tokens` and `thinking_tokens` where a model does not publish its own.
    """

    prompt_tokens: int
    first_token: Seconds
    whole: Seconds
    first_prompt_tokens: int = 0
    answer_tokens: int = 0
    thinking_tokens: int = 0
    shows_thinking: bool = False
    bulk: bool = False

    def first_token_s(self, speed: Speed, *, thinking: int) -> float:
        """Seconds to the first visible token, of a model that thinks so many tokens."""
        hidden = 0 if self.shows_thinking else thinking
        return (self.first_prompt_tokens or self.prompt_tokens) / speed.prefill + hidden / speed.decode

    def whole_s(self, speed: Speed, *, thinking: int, answer: int) -> float:
        """Seconds for the whole request."""
        return self.prompt_tokens / speed.prefill + (thinking + answer) / speed.decode


def waiting_of(time: TaskTime) -> Waiting:
    """The times of a task of the catalog: an answer, vectors of texts, or the order of documents."""
    from lmpm.catalog import RankingTime, VectorTime

    if isinstance(time, VectorTime):
        return Waiting(
            prompt_tokens=time.text_tokens,
            first_prompt_tokens=time.query_tokens,
            first_token=time.query,
            whole=time.text,
        )
    if isinstance(time, RankingTime):
        return Waiting(
            prompt_tokens=time.documents * time.document_tokens, first_token=time.ranking, whole=time.ranking
        )
    return Waiting(
        prompt_tokens=time.prompt_tokens,
        first_token=time.first_token,
        whole=time.answer,
        answer_tokens=time.answer_tokens,
        thinking_tokens=time.thinking_tokens,
        shows_thinking=time.shows_thinking,
        bulk=time.bulk,
    )
