"""Whose certificates are believed, for metadata and bytes alike.

A bundle that the user names is believed alone; else the system's own store, with the bundle that came with requests
where the system has none.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from lmpm import limits
from lmpm.errors import NetworkError
from lmpm.fs import printable
from lmpm.hub.deadline import limit_head

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Bundle:
    """A file or folder of certificates that is believed alone, and the variable that names it."""

    place: str
    variable: str


@cache
def context(bundle: Bundle | None = None) -> ssl.SSLContext:
    """The TLS context that believes a bundle, or the system. Raises NetworkError for one that cannot be read."""
    import ssl

    if bundle is None and sys.platform in ("darwin", "win32"):  # there the store is no file
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if bundle is None:
        found.load_default_certs()
        if not found.cert_store_stats()["x509_ca"]:
            import certifi

            found.load_verify_locations(certifi.where())
        return found
    try:
        is_directory = os.path.isdir(bundle.place)  # noqa: PTH112 - as given, `~` and all
        found.load_verify_locations(**{"capath" if is_directory else "cafile": bundle.place})
    except OSError as error:  # also of a file that holds no certificate
        raise NetworkError(
            f"{bundle.variable} names `{printable(bundle.place)}`, which holds no certificates",
            hint="Let it name a PEM file, or unset it to believe the system's certificates",
        ) from error
    return found


def adapter(trust: ssl.SSLContext | None, silence_s: float) -> Any:
    """What requests sends over, with this trust, directly and through a proxy; an answer begins within `silence_s`."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
            super().init_poolmanager(*args, ssl_context=trust, **kwargs)
            limit_head(self.poolmanager, silence_s)

        def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
            is_new = proxy not in self.proxy_manager
            manager = super().proxy_manager_for(proxy, ssl_context=trust, **kwargs)
            if is_new:
                limit_head(manager, silence_s)
            return manager

        def cert_verify(self, conn: Any, url: Any, *others: Any) -> None:
            if trust is None:
                super().cert_verify(conn, url, *others)  # type: ignore[no-untyped-call]
            else:  # without the bundle that requests would add to ours
                conn.cert_reqs = "CERT_REQUIRED"

    return Adapter(pool_maxsize=limits.MOST_CONNECTIONS)
