"""What a GGUF file is, by its name and by its header."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.gguf import (
        check as check,
        file_name as file_name,
        header as header,
        model_name as model_name,
        quant as quant,
    )
    from lmpm.gguf.adapter import (
        AdapterBase as AdapterBase,
        adapter_refusal as adapter_refusal,
        base_of as base_of,
        foreign_base as foreign_base,
        is_adapter as is_adapter,
        require_adapter_for as require_adapter_for,
        require_base as require_base,
    )
    from lmpm.gguf.check import Contradiction as Contradiction, Expectation as Expectation
    from lmpm.gguf.cursor import ReadAt as ReadAt
    from lmpm.gguf.file_name import FileName as FileName
    from lmpm.gguf.header import Header as Header, Tensor as Tensor, read_file as read_file
    from lmpm.gguf.loadable import require_loadable as require_loadable
    from lmpm.gguf.model_name import (
        BASE as BASE,
        DERIVED as DERIVED,
        INSTRUCT as INSTRUCT,
        PACKING as PACKING,
        ModelName as ModelName,
    )
    from lmpm.gguf.parts import (
        Part as Part,
        Parts as Parts,
        local_part as local_part,
        read_at_hand as read_at_hand,
        read_part as read_part,
    )
    from lmpm.gguf.quant import base as base
    from lmpm.gguf.shards import (
        Shard as Shard,
        missing_shards as missing_shards,
        parse_shard as parse_shard,
        shard_paths as shard_paths,
        without_number as without_number,
    )
    from lmpm.gguf.template import (
        Finding as Finding,
        check_template as check_template,
        require_harmless as require_harmless,
    )
    from lmpm.gguf.tensor_types import TENSOR_TYPES as TENSOR_TYPES
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "adapter": "AdapterBase adapter_refusal base_of foreign_base is_adapter require_adapter_for require_base",
            "check": "Contradiction Expectation check",
            "cursor": "ReadAt",
            "file_name": "FileName file_name",
            "header": "Header Tensor header read_file",
            "loadable": "require_loadable",
            "model_name": "BASE DERIVED INSTRUCT ModelName PACKING model_name",
            "parts": "Part Parts local_part read_at_hand read_part",
            "quant": "base quant",
            "shards": "Shard missing_shards parse_shard shard_paths without_number",
            "template": "Finding check_template require_harmless",
            "tensor_types": "TENSOR_TYPES",
        },
    )
