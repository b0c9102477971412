"""Tensors and operations of ggml without data: only what decides how many bytes a graph needs.

Follows ggml `ggml.c`: the shape and the layout of each result, and which results are views.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lmpm.gguf import TENSOR_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

Dims = tuple[int, int, int, int]

TYPES: Final = {name: (block, size) for name, block, size in TENSOR_TYPES.values()}  # elements and bytes of a block
PLAIN: Final = frozenset({"F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64"})  # not quantized

# Operations that may write their result over an operand; ggml-alloc.c, ggml_op_can_inplace.
IN_PLACE: Final = frozenset(
    {"fill", "scale", "add", "add_id", "sub", "mul", "div", "sqr", "sqrt", "log", "unary", "rope", "rms_norm", "clamp",
     "soft_max"}
)  # fmt: skip
VIEWS: Final = frozenset({"view", "reshape", "permute", "transpose"})  # they compute nothing


class Tensor:
    """A tensor of a graph: shape `ne` in elements and strides `nb` in bytes, as ggml keeps them.

    `root` is the tensor that owns the bytes of a view. `fixed` tells a weight or a cache, which has its
    bytes elsewhere, `home` in which backend (None: not known), and `is_plain` whether in their own order.
    """

    __slots__ = (
        "address", "backend", "children", "fixed", "home", "is_input", "is_output", "is_plain", "name", "nb", "ne",
        "op", "owned", "root", "seen", "sources", "storage", "type", "views",
    )  # fmt: skip

    def __init__(
        self,
        kind: str,
        ne: Sequence[int],
        op: str | None = None,
        sources: tuple[Tensor, ...] = (),
        *,
        root: Tensor | None = None,
        nb: Dims | None = None,
    ) -> None:
        self.type = kind
        self.ne: Dims = (*ne, *(1,) * (4 - len(ne)))  # type: ignore[assignment]
        self.nb: Dims = nb or strides(kind, self.ne)
        self.op = op
        self.sources = sources
        self.root: Tensor | None = root and (root.root or root)
        self.name = ""
        self.fixed = False
        self.home: int | None = None
        self.is_plain = True
        self.is_input = False
        self.is_output = False
        self.seen = False
        self.backend = -1
        # what the allocator notes
        self.children = 0
        self.views = 0
        self.owned = False
        self.storage = 0  # number of the buffer
        self.address = 0

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return self.ne[0] * self.ne[1] * self.ne[2] * self.ne[3]

    @property
    def nbytes(self) -> int:
        """Bytes from the first to the last element; ggml.c, ggml_nbytes."""
        if 0 in self.ne:
            return 0
        block, size = TYPES[self.type]
        if block == 1:
            return size + sum((ne - 1) * nb for ne, nb in zip(self.ne, self.nb, strict=True))
        total = self.ne[0] * self.nb[0] // block
        return total + sum((ne - 1) * nb for ne, nb in zip(self.ne[1:], self.nb[1:], strict=True))

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie without gaps and in order."""
        packed = strides(self.type, self.ne)
        return all(ne == 1 or nb == want for ne, nb, want in zip(self.ne, self.nb, packed, strict=True))

    @property
    def is_quantized(self) -> bool:
        """Whether elements come in blocks with scales."""
        return self.type not in PLAIN


def strides(kind: str, ne: Dims) -> Dims:
    """Strides of a tensor without gaps."""
    block, size = TYPES[kind]
    row = size * ne[0] // block
    return size, row, row * ne[1], row * ne[1] * ne[2]


def row_size(kind: str, elements: int) -> int:
    """Bytes of a row."""
    block, size = TYPES[kind]
    return size * elements // block


def like(op: str, a: Tensor, *others: Tensor | None, kind: str | None = None) -> Tensor:
    """A new tensor of the shape of `a`: norms, additions, activations, rope, copies."""
    return Tensor(kind or a.type, a.ne, op, (a, *(item for item in others if item is not None)))


def view(a: Tensor, ne: Sequence[int], nb: Sequence[int] = (), *, op: str = "view") -> Tensor:
    """A part of `a`; strides beyond those given follow from the shape, as in ggml_view_2d and others."""
    shape: Dims = (*ne, *(1,) * (4 - len(ne)))  # type: ignore[assignment]
    if nb:
        step = [TYPES[a.type][1], *nb]
        while len(step) < 4:
            step.append(step[-1] * shape[len(step) - 1])
        return Tensor(a.type, shape, op, (a,), root=a, nb=(step[0], step[1], step[2], step[3]))
    return Tensor(a.type, shape, op, (a,), root=a)


def reshape(a: Tensor, *ne: int) -> Tensor:
    """The same elements in another shape."""
    return view(a, ne, op="reshape")


def permute(a: Tensor, *axes: int) -> Tensor:
    """Axis i of `a` becomes axis `axes[i]` of the result."""
    ne, nb = [0] * 4, [0] * 4
    for source, target in enumerate(axes):
        ne[target], nb[target] = a.ne[source], a.nb[source]
    return Tensor(a.type, ne, "permute", (a,), root=a, nb=(nb[0], nb[1], nb[2], nb[3]))


def transpose(a: Tensor) -> Tensor:
    """Rows and columns exchanged."""
    result = permute(a, 1, 0, 2, 3)
    result.op = "transpose"
    return result


def cont(a: Tensor, *ne: int) -> Tensor:
    """A copy without gaps, of another shape if one is given."""
    return Tensor(a.type, ne or a.ne, "cont", (a,))


def cast(a: Tensor, kind: str) -> Tensor:
    """A copy of another type."""
    return Tensor(kind, a.ne, "cpy", (a,))


def mul_mat(a: Tensor, b: Tensor) -> Tensor:
    """Matrix product, always f32."""
    return Tensor("F32", (a.ne[1], b.ne[1], b.ne[2], b.ne[3]), "mul_mat", (a, b))


def mul_mat_id(a: Tensor, b: Tensor, ids: Tensor) -> Tensor:
    """Matrix products with the experts chosen for each token."""
    return Tensor("F32", (a.ne[1], ids.ne[0], b.ne[2]), "mul_mat_id", (a, b, ids))


def get_rows(a: Tensor, rows: Tensor) -> Tensor:
    """Chosen rows as f32."""
    kind = "I32" if a.type == "I32" else "F32"
    return Tensor(kind, (a.ne[0], rows.ne[0], rows.ne[1], rows.ne[2]), "get_rows", (a, rows))


def set_rows(a: Tensor, rows: Tensor, where: Tensor) -> Tensor:
    """`rows` written into `a`: a view of it."""
    return Tensor(a.type, a.ne, "set_rows", (rows, where, a), root=a, nb=a.nb)


def copy_into(a: Tensor, b: Tensor) -> Tensor:
    """`a` written into `b`: a view of it."""
    return Tensor(b.type, b.ne, "cpy", (a, b), root=b, nb=b.nb)


def glu(a: Tensor, b: Tensor | None = None) -> Tensor:
    """A gated activation: of two tensors, or of the halves of one. It never overwrites them."""
    ne = a.ne if b is not None else (a.ne[0] // 2, *a.ne[1:])
    return Tensor(a.type, ne, "glu", (a,) if b is None else (a, b))


def concat(a: Tensor, b: Tensor, axis: int) -> Tensor:
    """Two tensors one after the other along an axis."""
    ne = list(a.ne)
    ne[axis] += b.ne[axis]
    return Tensor(a.type, ne, "concat", (a, b))


def repeat(a: Tensor, *ne: int) -> Tensor:
    """`a` repeated to fill a shape."""
    return Tensor(a.type, ne, "repeat", (a,))


def pad(a: Tensor, *extra: int) -> Tensor:
    """`a` with zeros at the end of each axis."""
    added = (*extra, *(0,) * (4 - len(extra)))
    return Tensor(a.type, [ne + more for ne, more in zip(a.ne, added, strict=True)], "pad", (a,))


def sum_rows(a: Tensor) -> Tensor:
    """The sum of each row."""
    return Tensor(a.type, (1, *a.ne[1:]), "sum_rows", (a,))


def argsort(a: Tensor) -> Tensor:
    """The order of the elements of each row."""
    return Tensor("I32", a.ne, "argsort", (a,))


def image_to_columns(kernel: Tensor, image: Tensor, step: int, *, kind: str) -> Tensor:
    """What a kernel sees at each of its places, `step` pixels apart."""
    across, down = ((image.ne[axis] - kernel.ne[axis]) // step + 1 for axis in (0, 1))
    seen = kernel.ne[0] * kernel.ne[1] * kernel.ne[2]
    return Tensor(kind, (seen, across, down, image.ne[3]), "im2col", (kernel, image))


def convolve_2d(kernel: Tensor, image: Tensor, step: int) -> Tensor:
    """A convolution; ggml.c, ggml_conv_2d."""
    columns = image_to_columns(kernel, image, step, kind="F32" if kernel.type == "BF16" else "F16")
    places = columns.ne[1] * columns.ne[2] * columns.ne[3]
    out = mul_mat(reshape(columns, columns.ne[0], places), reshape(kernel, columns.ne[0], kernel.ne[3]))
    return cont(permute(reshape(out, *columns.ne[1:], kernel.ne[3]), 0, 1, 3, 2))


def pool_2d(a: Tensor, size: int) -> Tensor:
    """Averages of squares."""
    return Tensor("F32", (a.ne[0] // size, a.ne[1] // size, *a.ne[2:]), "pool", (a,))


def interpolate(a: Tensor, *ne: int) -> Tensor:
    """A picture in another size."""
    return Tensor(a.type, ne, "interpolate", (a,))


def top_k(a: Tensor, count: int) -> Tensor:
    """The places of the largest elements: a view of the whole order; ggml.c, ggml_argsort_top_k."""
    order = argsort(a)
    return view(order, (count, *a.ne[1:]), order.nb[1:])


def flash_attn(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, sinks: Tensor | None = None) -> Tensor:
    """Attention in one operation."""
    sources = tuple(item for item in (q, k, v, mask, sinks) if item is not None)
    return Tensor("F32", (v.ne[0], q.ne[2], q.ne[1], q.ne[3]), "flash_attn", sources)
