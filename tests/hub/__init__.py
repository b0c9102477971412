"""A Hugging Face Hub on loopback, over real HTTP, that can go wrong in every way a test asks for."""

from tests.hub import faults
from tests.hub.content import Bytes, Content, ContentLike, File, Generated, Repeated, Sparse, listed
from tests.hub.log import LoggedRequest, RequestLog
from tests.hub.repository import Repository
from tests.hub.server import LoopbackHub
from tests.hub.state import Token

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
