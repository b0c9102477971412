"""What quants look like in names: compiled only for who looks for them."""

from __future__ import annotations

import re
from typing import Final

NAME: Final = r"""
    (?: BF16 | FP?16 | FP?32 | B?FLOAT(?:16|32)
      | MXFP4 (?: _MOE (?: _(?: BF16 | F16 | Q8_0 | Q[4-6]_K ) )? )? | NVFP4 | TQ[12]_0
      | I?Q[1-8] (?: [_-] (?: KSS | KS | KT | KL | KV | BN | XXS | XS | XL | NL | K | S | M | L | [01] ))
                 (?: [_-] (?: XL | XS | [SMLP] | R[48] | [48]_[48] ))?
      | Q_?[2-6]_?K_?[SML]? | Q[458]\.?[01] | IQ[1-4](?:XXS|XS|NL|[SM])
    )"""
# A type of llama.cpp, as it or its users write it.
PATTERN: Final = re.compile(
    rf"(?<![A-Za-z0-9]) (?: (?P<prefix> UD | i1 | AD ) [_-] (?: (?<=AD[_-]) (?P<mixed> {NAME} ) - )? )?"
    rf" (?P<name> {NAME} ) (?![A-Za-z0-9] | _4(?![A-Za-z0-9_]))",  # `Q4_K_4` is another runtime's
    re.IGNORECASE | re.VERBOSE,
)
# Beside a quant: the type that the embedding is kept in, or how many bits of this quant a maker's mixture has.
DETAIL: Final = re.compile(
    r"[-_. ]+(?:(?P<bits>\d{1,2}\.\d{1,2})[-_]?bpw|(?P<type>B?F(?:P?|loat)(?:16|32)))", re.IGNORECASE
)
# The same names grown together with the word before them: `InstructQ3_K_L`, `GGUFQ5KM`.
GROWN: Final = re.compile(
    r"(?<=[a-z0-9F]) (?P<prefix>)? (?P<mixed>)?"
    r" (?P<name> I?Q[1-8] (?: _K(?:_[SML])? | K[SML] | _?[01] | K | _(?:XXS|XS|NL|[SM]) ))"
    r" (?= [^A-Za-z0-9] | [A-Z][a-z] | $ )",
    re.VERBOSE,
)
# Schemes of forks of llama.cpp and of single makers. They tell the files of a repository apart.
SCHEME: Final = re.compile(
    r"""(?<![A-Za-z0-9])
    (?: [A-Z]{0,2}Q[1-8] (?! _v(?:er)?\d ) (?: _[A-Z0-9]+ )+ | (?:I?Q[1-8]){2,} | Q[1-8]R[0-9]+
      | (?: ARM_ | Q[1-8]_ )? [HM]A (?: _NL )? (?: _MAX )?
      | APEX (?: - (?: MTP | I ) )* - [A-Z]+ | NexaQuant | MoQ - [0-9.]+
      | [0-9]{1,2} (?: \. [0-9]{1,2} )? [_-]? (?: bpw | bits ) | [0-9]{1,2} \. [0-9]{1,2} [_-]? bit
      | W[2-8]A(?: 4 | 8 | 16 ) | FP[48]
      | (?:I?Q[1-8]|[A-Z]?QK?[1-8]) (?! _v(?:er)?\d ) _ [A-Z]+ [0-9]?
    ) (?![A-Za-z0-9])""",
    re.IGNORECASE | re.VERBOSE,
)
OPEN: Final = re.compile(
    r"(?<![A-Za-z0-9]) (?<!\d\.)"
    r" (?P<name> [IT]?Q[1-8] | QK[1-8] | INT[48] | (?:1|2|3|4|5|6|8|16|32) -? BIT ) (?![A-Za-z0-9])",
    re.IGNORECASE | re.VERBOSE,
)
