"""A Hugging Face Hub on loopback, over real HTTP, that can go wrong in every way a test asks for."""

from tests.loopback import faults
from tests.loopback.content import Bytes, Content, ContentLike, File, Generated, Repeated, Sparse, listed
from tests.loopback.log import LoggedRequest, RequestLog
from tests.loopback.repository import Repository
from tests.loopback.server import LoopbackHub
from tests.loopback.state import Token

__all__ = [
    "Bytes",
    "Content",
    "ContentLike",
    "File",
    "Generated",
    "LoggedRequest",
    "LoopbackHub",
    "Repeated",
    "Repository",
    "RequestLog",
    "Sparse",
    "Token",
    "faults",
    "listed",
]
