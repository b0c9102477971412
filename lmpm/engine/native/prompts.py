"""How two texts become one input: the header of the file says which tokens stand around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lmpm.engine.native.model import Model

NO_TOKEN: Final = -1  # llama.h, LLAMA_TOKEN_NULL


def with_hole(model: Model, prefix: str, suffix: str) -> list[int] | None:
    """Prefix, suffix, and the token after which the middle is written; None: the file names no such tokens.

    In the order that llama.cpp's server uses, prefix first, which the models themselves were trained with.
    """
    c, vocabulary = model.c, model.vocabulary
    before, after, middle = (
        int(find(vocabulary)) for find in (c.llama_vocab_fim_pre, c.llama_vocab_fim_suf, c.llama_vocab_fim_mid)
    )
    if NO_TOKEN in (before, after, middle):
        return None
    start = [int(c.llama_vocab_bos(vocabulary))] if c.llama_vocab_get_add_bos(vocabulary) else []
    return [*start, before, *model.tokenize_part(prefix), after, *model.tokenize_part(suffix), middle]


def query_with_document(model: Model, query: str, document: str) -> list[int]:
    """A query and a document as a reranker reads them: in its own words if it has some, else as two sentences.

    Follows `format_prompt_rerank` of llama.cpp's server.
    """
    c, vocabulary = model.c, model.vocabulary
    template = c.llama_model_chat_template(model.handle, b"rerank")
    if template:
        # split first, so that a query which holds `{document}` stays as it is
        head, _, rest = template.decode("utf-8", "replace").partition("{query}")
        between, _, tail = rest.partition("{document}")
        return list(model.tokenize(f"{head}{query}{between}{document}{tail}"))
    end = int(c.llama_vocab_eos(vocabulary))
    end = int(c.llama_vocab_sep(vocabulary)) if end == NO_TOKEN else end
    tokens = [int(c.llama_vocab_bos(vocabulary))] if c.llama_vocab_get_add_bos(vocabulary) else []
    tokens += model.tokenize_part(query)
    tokens += [end] if c.llama_vocab_get_add_eos(vocabulary) else []
    tokens += [int(c.llama_vocab_sep(vocabulary))] if c.llama_vocab_get_add_sep(vocabulary) else []
    tokens += model.tokenize_part(document)
    tokens += [end] if c.llama_vocab_get_add_eos(vocabulary) else []
    return [token for token in tokens if token != NO_TOKEN]
