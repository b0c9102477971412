"""Which answer a request gets: the routes, and who may see what."""

from __future__ import annotations

from urllib.parse import quote

from tests.loopback import api, files, ollama
from tests.loopback.message import Answer, Request, error, json_answer, redirect
from tests.loopback.repository import Commit, Repository
from tests.loopback.state import HubState


class RefusedError(Exception):
    """The request ends here, with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def route(state: HubState, request: Request) -> Answer:
    """Answer one request; pure but for the clock of signed addresses."""
    try:
        if request.origin == "cdn":
            return files.from_cdn(state, request, request.segments)
        return _route(state, request)
    except RefusedError as refusal:
        return refusal.answer


def _route(state: HubState, request: Request) -> Answer:
    match request.segments:
        case ["api", "models"]:
            _check_token(state, request)
            visible = [repo for repo in list(state.repositories.values()) if _may_see(state, request, repo)]
            return api.list_models(state, request, visible)
        case ["api", "models", author, name, *rest]:
            return _model_api(state, request, _repository(state, request, author, name), rest)
        case ["api", "resolve-cache", "models", author, name, revision, *path] if path:
            repository = _repository(state, request, author, name)
            _check_gate(state, request, repository)
            return files.resolve_cache(request, _commit(repository, revision), "/".join(path))
        case ["api", "whoami-v2"]:
            return _whoami(state, request)
        case ["v2", author, name, "manifests", tag]:
            repository = _repository(state, request, author, name)
            _check_gate(state, request, repository)
            return ollama.manifest(request, repository, tag)
        case ["v2", author, name, "blobs", digest]:
            repository = _repository(state, request, author, name)
            _check_gate(state, request, repository)
            return ollama.blob(request, repository, digest)
        case [author, name, "resolve", revision, *path] if path and author != "api":
            repository = _repository(state, request, author, name)
            _check_gate(state, request, repository)
            return files.resolve(state, request, repository, _commit(repository, revision), "/".join(path))
        case ["api", "models", _] | [_, "resolve", *_]:
            return _not_found(state, request)  # every repository here has an author
        case _:
            # Among them `/api/agent-harnesses`: clients ask, and take 404 for "none".
            return error(404, "Sorry, we can't find the page you are looking for.")


def _model_api(state: HubState, request: Request, repository: Repository, rest: list[str]) -> Answer:
    match rest:
        case []:
            return api.model_info(request, repository, _commit(repository, "main"))
        case ["revision", revision]:
            return api.model_info(request, repository, _commit(repository, revision))
        case ["tree", revision, *folder]:
            return api.tree(state, request, _commit(repository, revision), "/".join(folder))
        case ["paths-info", revision] if request.method == "POST":
            return api.paths_info(request, _commit(repository, revision))
        case ["refs"]:
            return api.refs(request, repository)
        case ["auth-check"]:
            _check_gate(state, request, repository)
            return json_answer({})
        case _:
            # Among them `xet-read-token`: nothing here is in Xet storage.
            return error(404, "Sorry, we can't find the page you are looking for.")


def _repository(state: HubState, request: Request, author: str, name: str) -> Repository:
    """Find the repository, or refuse: unknown, invisible, disabled, or known under another name."""
    _check_token(state, request)
    asked = f"{author}/{name}"
    repository = state.repositories.get(asked.lower())
    if repository is None and (new_id := state.renamed.get(asked.lower())):
        raise RefusedError(_under_other_name(request, asked, new_id))
    if repository is None or not _may_see(state, request, repository):
        raise RefusedError(_not_found(state, request))
    if repository.id != asked:
        raise RefusedError(_under_other_name(request, asked, repository.id))
    if repository.disabled:
        raise RefusedError(error(403, "Access to this resource is disabled."))
    return repository


def _commit(repository: Repository, revision: str) -> Commit:
    commit = repository.find_commit(revision)
    if commit is None:
        raise RefusedError(error(404, f"Invalid rev id: {revision}", "RevisionNotFound"))
    return commit


def _check_token(state: HubState, request: Request) -> None:
    if request.token is not None and request.token not in state.tokens:
        raise RefusedError(error(401, "Invalid credentials in Authorization header"))


def _may_see(state: HubState, request: Request, repository: Repository) -> bool:
    return not repository.private or _is_let_in(state, request, repository)


def _is_let_in(state: HubState, request: Request, repository: Repository) -> bool:
    return request.token is not None and state.tokens[request.token].opens(repository.id)


def _check_gate(state: HubState, request: Request, repository: Repository) -> None:
    """The pages of a gated repository are public; its bytes are not."""
    if not repository.gated or _is_let_in(state, request, repository):
        return
    where = f"Access to model {repository.id} is restricted"
    if request.token is None:
        message = f"{where}. You must have access to it and be authenticated to access it. Please log in."
        raise RefusedError(error(401, message, "GatedRepo"))
    page = f"{request.endpoint}/{repository.id}"
    message = f"{where} and you are not in the authorized list. Visit {page} to ask for access."
    raise RefusedError(error(403, message, "GatedRepo"))


def _not_found(state: HubState, request: Request) -> Answer:
    """The real Hub does not tell strangers whether a repository exists, and sends no error code then."""
    if state.bare_401 and request.token is None:
        return error(401, "Invalid username or password.")
    return error(404, "Repository not found", "RepoNotFound")


def _under_other_name(request: Request, asked: str, repo_id: str) -> Answer:
    segments = "/".join(quote(segment, safe="") for segment in request.segments)
    target = "/" + segments.replace(asked, repo_id, 1)
    return redirect(f"{target}?{request.query}" if request.query else target)


def _whoami(state: HubState, request: Request) -> Answer:
    _check_token(state, request)
    if request.token is None:
        return error(401, "Invalid username or password.")
    user = state.tokens[request.token].user
    access = {"displayName": "test", "role": "read", "createdAt": "2025-01-01T00:00:00.000Z"}
    document = {
        "type": "user", "id": "0" * 24, "name": user, "fullname": user, "isPro": False, "orgs": [],
        "auth": {"type": "access_token", "accessToken": access},
    }  # fmt: skip
    return json_answer(document)
