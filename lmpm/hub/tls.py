"""Whose certificates are believed, for metadata and bytes alike.

A bundle that the environment names is believed alone, under the names that requests, curl and OpenSSL give it;
else the system's own store, with the bundle that came with requests where the system has none.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import NetworkError
from lmpm.fs import printable

if TYPE_CHECKING:
    import ssl

BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def context() -> ssl.SSLContext:
    """The TLS context of this environment. Raises NetworkError for a bundle that cannot be read."""
    name = next((name for name in BUNDLES if os.environ.get(name)), None)
    return _context(name, os.environ[name] if name else "")


@cache
def _context(name: str | None, bundle: str) -> ssl.SSLContext:
    import ssl

    if name is None and sys.platform in ("darwin", "win32"):  # there the store is no file
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if name is None:
        found.load_default_certs()
        if not found.cert_store_stats()["x509_ca"]:
            import certifi

            found.load_verify_locations(certifi.where())
        return found
    try:
        is_directory = os.path.isdir(bundle)  # noqa: PTH112 - as given, `~` and all
        found.load_verify_locations(**{"capath" if is_directory else "cafile": bundle})
    except OSError as error:  # also of a file that holds no certificate
        raise NetworkError(
            f"{name} names `{printable(bundle)}`, which holds no certificates",
            hint="Let it name a PEM file, or unset it to believe the system's certificates",
        ) from error
    return found


def adapter(**options: Any) -> Any:
    """What requests sends over, with this trust, directly and through a proxy."""
    from requests.adapters import HTTPAdapter

    class Trusting(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
            return super().init_poolmanager(*args, ssl_context=context(), **kwargs)

        def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
            return super().proxy_manager_for(proxy, ssl_context=context(), **kwargs)

        def cert_verify(self, conn: Any, *_others: Any) -> None:
            conn.cert_reqs = "CERT_REQUIRED"  # without the bundle that requests would add to ours

    return Trusting(**options)
