"""The mirror over HTTP: read-only, and only what locks pin."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from aiohttp import hdrs, web

from lmpm.mirror import documents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmpm.mirror.contents import Contents, MirroredFile, MirroredRepository

MAX_BODY_BYTES: Final = 2**20


class _MissingError(Exception):
    """What was asked for is not here; `code` is the Hub's word for what is not."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Mirror:
    """The routes that `hf`, llama.cpp, Ollama and lmpm ask. `token` is what clients must send, empty: nothing."""

    contents: Contents
    token: str = ""

    def app(self) -> web.Application:
        """The application, for aiohttp to run."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._guard])
        repo = "{author}/{name}"
        app.add_routes(
            [
                web.get("/api/models", self._list),
                web.get(f"/api/models/{repo}", self._page),
                web.get(f"/api/models/{repo}/auth-check", self._checked),
                web.get(f"/api/models/{repo}/refs", self._refs),
                web.get(f"/api/models/{repo}/revision/{{revision}}", self._page),
                web.get(f"/api/models/{repo}/tree/{{revision}}", self._tree),
                web.get(f"/api/models/{repo}/tree/{{revision}}/{{path:.+}}", self._tree),
                web.post(f"/api/models/{repo}/paths-info/{{revision}}", self._paths_info),
                web.get("/api/whoami-v2", self._whoami),
                web.get(f"/{repo}/resolve/{{revision}}/{{path:.+}}", self._file),
                web.get(f"/v2/{repo}/manifests/{{tag}}", self._manifest),
                web.get(f"/v2/{repo}/blobs/sha256:{{digest}}", self._blob),
            ]
        )
        app.on_response_prepare.append(_set_tag)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Check the token, and word errors as the Hub does."""
        if self.token and not self._is_known(request):
            answer = _error(HTTPStatus.UNAUTHORIZED, "Invalid username or password.")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        try:
            found: web.StreamResponse = await handler(request)
        except _MissingError as missing:
            return _error(HTTPStatus.NOT_FOUND, str(missing), missing.code)
        except web.HTTPException as error:
            return _error(HTTPStatus(error.status), error.reason or "")
        return found

    def _is_known(self, request: web.Request) -> bool:
        given = request.headers.get(hdrs.AUTHORIZATION, "")
        return hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode())

    # -- the API ---------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        words = request.query.get("search", "").lower().split()
        author = request.query.get("author", "").lower()
        limit = request.query.get("limit", "")
        found = [
            documents.page(repository, repository.main, _fields(request) or ["sha", "tags"], blobs=False)
            for name, repository in self.contents.repositories.items()
            if all(word in name for word in words) and name.startswith(f"{author}/" if author else "")
        ]
        return web.json_response(found[: int(limit)] if limit.isdecimal() and int(limit) else found)

    async def _page(self, request: web.Request) -> web.Response:
        repository, commit = self._at(request)
        blobs = request.query.get("blobs", "").lower() in ("true", "1")
        return web.json_response(documents.page(repository, commit, _fields(request), blobs=blobs))

    async def _checked(self, request: web.Request) -> web.Response:
        self._repository(request)
        return web.json_response({})

    async def _refs(self, request: web.Request) -> web.Response:
        return web.json_response(documents.refs(self._repository(request)))

    async def _tree(self, request: web.Request) -> web.Response:
        repository, commit = self._at(request)
        folder = request.match_info.get("path", "")
        recursive = request.query.get("recursive", "").lower() in ("true", "1")
        entries = documents.tree(repository.commits[commit], folder, recursive=recursive)
        if folder and not entries:
            raise _MissingError(f'"{folder}" does not exist on "{commit}"', "EntryNotFound")
        return web.json_response([] if "cursor" in request.query else entries)  # all are on the first page

    async def _paths_info(self, request: web.Request) -> web.Response:
        repository, commit = self._at(request)
        paths: Iterable[Any]
        try:
            text = (await request.read()).decode("utf-8")
            paths = json.loads(text)["paths"] if "json" in request.content_type else parse_qs(text).get("paths", [])
            files = [repository.commits[commit][path] for path in paths if path in repository.commits[commit]]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise web.HTTPBadRequest(reason="expected paths") from None
        return web.json_response([documents.entry(file) for file in files])

    async def _whoami(self, _request: web.Request) -> web.Response:
        if not self.token:
            return _error(HTTPStatus.UNAUTHORIZED, "Invalid username or password.")
        access = {"displayName": "mirror", "role": "read", "createdAt": documents.LONG_AGO}
        user = {"type": "user", "id": "0" * 24, "name": "mirror", "fullname": "mirror", "isPro": False, "orgs": []}
        return web.json_response(user | {"auth": {"type": "access_token", "accessToken": access}})

    # -- the bytes -------------------------------------------------------------

    async def _file(self, request: web.Request) -> web.StreamResponse:
        repository, commit = self._at(request)
        path = request.match_info["path"]
        file = repository.commits[commit].get(path)
        if file is None:
            missing = _error(HTTPStatus.NOT_FOUND, f'"{path}" does not exist on "{commit}"', "EntryNotFound")
            missing.headers["X-Repo-Commit"] = commit
            return missing
        tag = f'"{file.sha256}"'
        size = {"X-Linked-Size": str(file.file.size), "X-Linked-ETag": tag}
        return _answer(request, file, {"X-Repo-Commit": commit, **size})

    async def _manifest(self, request: web.Request) -> web.Response:
        named = request.headers.get(hdrs.USER_AGENT, "").startswith("llama-cpp")
        found = documents.manifest(self._repository(request), request.match_info["tag"], named=named)
        if found is None:
            return _error(HTTPStatus.BAD_REQUEST, "The specified tag is not a valid quantization scheme.")
        return web.json_response(found, content_type=documents.MANIFEST_TYPE)

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        digest = request.match_info["digest"]
        # Ollama insists on a Location, even where it is the URL that it asked
        headers = {"Docker-Content-Digest": f"sha256:{digest}", "Location": request.path}
        repository = self._repository(request)
        files = [file for files in repository.commits.values() for file in files.values()]
        for file in files:
            if file.sha256 == digest:
                return _answer(request, file, headers)
        for file in files:
            if hashlib.sha256(documents.config(file)).hexdigest() == digest:
                return web.Response(body=documents.config(file), headers=headers, content_type="application/json")
        raise _MissingError("blob unknown", "EntryNotFound")

    def _repository(self, request: web.Request) -> MirroredRepository:
        name = f"{request.match_info['author']}/{request.match_info['name']}"
        found = self.contents.get(name)
        if found is None:
            raise _MissingError("Repository not found", "RepoNotFound")
        return found

    def _at(self, request: web.Request) -> tuple[MirroredRepository, str]:
        """A repository, and the commit that the request names."""
        repository = self._repository(request)
        revision = request.match_info.get("revision", "main")
        commit = repository.commit(revision)
        if commit is None:
            raise _MissingError(f"Invalid rev id: {revision}", "RevisionNotFound")
        return repository, commit


def _fields(request: web.Request) -> list[str]:
    return [*request.query.getall("expand", []), *request.query.getall("expand[]", [])]


def _error(status: HTTPStatus, message: str, code: str = "") -> web.Response:
    headers = {"X-Error-Message": message.replace("\n", " ")}
    return web.json_response(
        {"error": message}, status=status, headers=headers | {"X-Error-Code": code} if code else headers
    )


class _Bytes(web.FileResponse):
    """A verified file, whose tag is its sha256 as it stands in trees, not what aiohttp makes of its time and size."""

    def __init__(self, file: MirroredFile, headers: dict[str, str]) -> None:
        super().__init__(file.path, headers={**headers, hdrs.CONTENT_TYPE: "application/octet-stream"})
        self.tag = f'"{file.sha256}"'

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Send it. A part of other bytes that a client wants to go on with is answered by all of these."""
        if request.headers.get(hdrs.IF_RANGE, self.tag) != self.tag:
            kept = {name: value for name, value in request.headers.items() if name not in (hdrs.RANGE, hdrs.IF_RANGE)}
            request = request.clone(headers=kept)
        return await super().prepare(request)


def _answer(request: web.Request, file: MirroredFile, headers: dict[str, str]) -> web.StreamResponse:
    """The bytes of a file, unless the client has them."""
    if request.headers.get(hdrs.IF_NONE_MATCH) == f'"{file.sha256}"':
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={**headers, "ETag": f'"{file.sha256}"'})
    return _Bytes(file, headers)


async def _set_tag(_request: web.Request, response: web.StreamResponse) -> None:
    if isinstance(response, _Bytes):
        response.headers[hdrs.ETAG] = response.tag
