"""The ASGI application of the HTTP port: finds the rpc of a request, checks access, serves it.

The same servicers, tokens, roles, quotas and limits as over gRPC, in the Connect protocol. See docs/http.md.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from google.rpc import code_pb2, status_pb2

from rungway_server import tracing
from rungway_server.domain.errors import InvalidInput, RungwayError
from rungway_server.service.access import Guard
from rungway_server.transport import call_log, requests
from rungway_server.transport.access import OpenStreams
from rungway_server.transport.errors import status_of
from rungway_server.transport.http import call, session, streams
from rungway_server.transport.http.bodies import Bodies, Gone, Receive
from rungway_server.transport.http.browser import Hosts, check_same_origin, is_browser
from rungway_server.transport.http.counted import CallCounts
from rungway_server.transport.http.pages import Pages
from rungway_server.transport.http.problems import Refused, error_reply
from rungway_server.transport.http.replies import Header, Reply, Send
from rungway_server.transport.http.routes import Route
from rungway_server.transport.http.turnstile import Turnstile

if TYPE_CHECKING:
    from rungway_server.metrics import Rpcs

_ONCE = frozenset(
    (b"authorization", b"rungway-namespace", b"host", b"origin", b"sec-fetch-site", b"content-type", b"content-length")
)
"""Headers whose second value could be one that a check does not see."""
_STREAM_TYPES = {b"application/connect+json": True, b"application/connect+proto": False}
_TYPES = {call.JSON: True, call.PROTO: False}
_PROBES = ("/livez", "/readyz")
"""What load balancers ask, under any name."""
_NO_CALL = (404, 405, 415)
"""Statuses of requests that name no rpc, or not in a way that can be served."""
_PLAIN = b"text/plain; charset=utf-8"


class App:
    """Serves requests; one per process."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        guard: Guard,
        open_streams: OpenStreams,
        turnstile: Turnstile,
        bodies: Bodies,
        *,
        hosts: Sequence[str] = (),
        prefix: str = "",
        ready: Callable[[], bool],
        counted: "Rpcs | None" = None,
        metrics: Callable[[], Awaitable[Reply]] | None = None,
    ) -> None:
        """`hosts`: names of this service while tokens are off. `prefix`: a path that a proxy leaves in front. `ready`:
        whether calls can be served. `counted`: where calls are counted. `metrics`: the page of /metrics, if it is
        here."""
        self._routes, self._guard, self._streams, self._turnstile = routes, guard, open_streams, turnstile
        self._bodies, self._hosts, self._prefix, self._ready = bodies, Hosts(tuple(hosts)), prefix, ready
        self._counts, self._metrics = CallCounts(counted, routes) if counted else None, metrics
        self._openapi = files(__package__).joinpath("openapi.json").read_bytes()
        self._files = Pages()
        self.draining = False
        """Set while the server stops: every connection is closed after its reply."""
        self._pages: Mapping[str, Callable[[], Reply]] = {
            "/livez": lambda: Reply(200, _PLAIN, b"ok\n"),
            "/readyz": self._readiness,
            "/openapi.json": lambda: Reply(200, call.JSON, self._openapi),
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """See the ASGI specification, 3.0."""
        request = _Request(scope, receive, send)
        call_log.HTTP_CALLER.set(scope["client"])
        if tracing.is_on():
            tracing.HEADERS.set({name: request.text(name.encode()) for name in tracing.PARENT})
        if not self._counts:
            await self._answer(request)
            return
        with self._counts.of(request) as counted:
            counted.error = await self._answer(request)

    async def _answer(self, request: "_Request") -> status_pb2.Status | None:
        """Answer a request; returns the error it was answered with."""
        try:
            reply = await self._reply(request)
        except Refused as refusal:
            reply = error_reply(refusal.status)
        except Gone:
            return streams.LEFT
        except TimeoutError:
            call_log.not_served("DEADLINE_EXCEEDED", request.path, call.TOO_LATE)
            reply = error_reply(call.too_late())
        except Exception as error:
            reply = error_reply(status_of(error, request.path, request.caller), _http_status(error))
        else:
            if reply and reply.status in _NO_CALL:
                call_log.not_served("UNIMPLEMENTED", request.path, f"HTTP {reply.status}")
        if reply is None:
            return request.stream_error
        await reply.send(request.send, close=self.draining or not request.read)
        return reply.error

    async def _reply(self, request: "_Request") -> Reply | None:
        path = request.path
        if self._prefix and path not in self._routes:
            if path == self._prefix:
                return Reply(308, _PLAIN, b"", [(b"location", self._prefix.encode() + b"/")])
            path = path.removeprefix(self._prefix) if path.startswith(self._prefix + "/") else path
        request.check_headers()
        if not self._guard.wants_tokens and path not in _PROBES:
            self._hosts.check(request.headers.get(b"host"))
        route = self._routes.get(path)
        if route is None and (page := self._page(path, request)):
            return page
        cookie = session.cookie_token(request.headers.get(b"cookie", b""), request.scheme)
        if is_browser(request.headers, cookie):
            check_same_origin(request.headers, request.scheme)
        authorization = request.text(b"authorization") or (f"Bearer {cookie.decode('latin-1')}" if cookie else "")
        if route is None:
            return await self._no_call(request, path, authorization)
        request.route = route
        if self._counts:
            self._counts.begin()
        await self._turnstile.enter()
        return await self._serve(request, route, (route.rpc, authorization, request.text(b"rungway-namespace")))

    def _page(self, path: str, request: "_Request") -> Reply | None:
        """What is the same for everybody: probes, the document, the files of the page."""
        page = self._pages.get(path)
        found = page() if page else self._files.find(path, request.headers.get(b"accept-encoding", b""))
        return _not_allowed("GET") if found and request.method not in ("GET", "HEAD") else found

    async def _serve(self, request: "_Request", route: Route, credentials: tuple[str, str, str]) -> Reply | None:
        if route.streams:
            return await self._stream(request, route, credentials)
        if request.method == "POST":
            return await self._unary(request, route, credentials)
        if request.method == "GET" and route.readable:
            return await self._get(request, route, credentials)
        return _not_allowed("GET, POST" if route.readable else "POST")

    async def _unary(self, request: "_Request", route: Route, credentials: tuple[str, str, str]) -> Reply:
        as_json = _TYPES.get(call.media_type(request.headers))
        if as_json is None:
            return _wrong_type(request.headers, _TYPES)
        call.check_protocol(request.headers)
        namespace = await self._guard.admit(*credentials)
        async with call.deadline(request.headers):
            body = await request.body(self._bodies)
            body = self._bodies.unpacked(body, request.headers.get(b"content-encoding", b""))
            message = await call.read_message(route, body, namespace, as_json=as_json)
            requests.NAMESPACE.set(namespace)
            if route.holds and message.HasField("wait"):
                serving = route.serve(message, call.Deadline(request.headers))
                answer = await streams.unless_gone(serving, request.receive)
            else:
                answer = await route.serve(message, call.CONTEXT)
            return await call.reply_with(answer, namespace, request.headers, as_json=as_json)

    async def _get(self, request: "_Request", route: Route, credentials: tuple[str, str, str]) -> Reply:
        namespace = await self._guard.admit(*credentials)
        data, as_json = call.query_message(request.query, self._bodies)
        async with call.deadline(request.headers):
            message = await call.read_message(route, data, namespace, as_json=as_json)
            requests.NAMESPACE.set(namespace)
            answer = await route.serve(message, call.CONTEXT)
            reply = await call.reply_with(answer, namespace, request.headers, as_json=as_json)
        digest = hashlib.blake2b(answer.SerializeToString(deterministic=True), digest_size=12)
        tag = b'W/"%s"' % digest.hexdigest().encode()
        reply.headers = [*reply.headers, (b"etag", tag), (b"cache-control", b"private, no-cache")]
        known = [each.strip() for each in request.headers.get(b"if-none-match", b"").split(b",")]
        return Reply(304, reply.content_type, b"", reply.headers) if tag in known else reply

    async def _stream(self, request: "_Request", route: Route, credentials: tuple[str, str, str]) -> Reply | None:
        if request.method not in ("GET", "POST"):
            return _not_allowed("GET, POST")
        kind = call.media_type(request.headers)
        wants_events = b"text/event-stream" in request.headers.get(b"accept", b"")
        as_json = _TYPES.get(kind, request.method == "GET" or None) if wants_events else _STREAM_TYPES.get(kind)
        if as_json is None:
            hint = "" if wants_events else "; or Accept: text/event-stream"
            return _wrong_type(request.headers, _TYPES if wants_events else _STREAM_TYPES, hint)
        if request.method == "GET" and not wants_events:
            return _not_allowed("POST")
        try:
            call.check_protocol(request.headers)
            namespace = await self._guard.admit(*credentials)
            message = await self._stream_request(request, route, namespace, wants_events=wants_events, as_json=as_json)
        except RungwayError as error:
            if wants_events:
                raise
            status = status_of(error, route.rpc, request.caller)
            reply = Reply(200, kind, streams.Envelopes("", as_json=as_json).end(status))
            reply.error = status
            return reply
        requests.NAMESPACE.set(namespace)
        form = streams.Events(namespace) if wants_events else streams.Envelopes(namespace, as_json=as_json)
        serve = self._streams.served(route.serve, namespace, credentials)
        headers = [(b"connection", b"close")] if self.draining else []
        with self._counts.stream() if self._counts else nullcontext():
            deadline = call.deadline(request.headers)
            request.stream_error = await streams.stream(serve, message, form, request, headers, deadline)
        return None

    async def _stream_request(
        self, request: "_Request", route: Route, namespace: str, *, wants_events: bool, as_json: bool
    ) -> Any:
        if request.method == "GET":
            body, as_json = call.query_message(request.query, self._bodies)
        else:
            body = await request.body(self._bodies)
            if wants_events:
                body = self._bodies.unpacked(body, request.headers.get(b"content-encoding", b""))
            else:
                body = streams.opened(body, self._bodies, request.headers.get(b"connect-content-encoding", b""))
        message: Any = await call.read_message(route, body, namespace, as_json=as_json)
        if wants_events and route.resumes and (last := request.text(b"last-event-id")):
            setattr(message, route.resumes, last)
        return message

    def _readiness(self) -> Reply:
        if self._ready() and not self.draining:
            return Reply(200, _PLAIN, b"ok\n")
        return Reply(503, _PLAIN, b"not ready\n")

    async def _no_call(self, request: "_Request", path: str, authorization: str) -> Reply:
        """The reply of a path that is not an rpc, after the checks of browsers."""
        if path == "/session":
            return await self._session(request)
        if path == "/metrics" and self._metrics:
            return await self._metrics_page(request, authorization)
        text = f"there is no {path[:200]!r}: see /openapi.json"
        return error_reply(status_pb2.Status(code=code_pb2.UNIMPLEMENTED, message=text), 404)

    async def _metrics_page(self, request: "_Request", authorization: str) -> Reply:
        if request.method not in ("GET", "HEAD"):
            return _not_allowed("GET")
        assert self._metrics
        await self._guard.check_reads_all(authorization)
        return await self._metrics()

    async def _session(self, request: "_Request") -> Reply:
        """Sign a browser in or out."""
        if request.method == "DELETE":
            return Reply(200, call.JSON, b"{}", [(b"set-cookie", session.sign_out(request.scheme))])
        if request.method != "POST":
            return _not_allowed("POST, DELETE")
        if call.media_type(request.headers) != call.JSON:
            return _wrong_type(request.headers, (call.JSON,))
        token = _token(await request.body(self._bodies))
        if not self._guard.wants_tokens:
            raise InvalidInput.one("token", "this service wants no token: tokens are off")
        await self._guard.sign_in(token)
        return Reply(200, call.JSON, b"{}", [(b"set-cookie", session.sign_in(token, request.scheme))])


class _Request:
    """One request, with its headers by name."""

    __slots__ = (
        "_several",
        "headers",
        "method",
        "path",
        "query",
        "read",
        "receive",
        "route",
        "scheme",
        "send",
        "stream_error",
    )

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        given: list[Header] = scope["headers"]
        self.headers = dict(given)
        self._several = given if len(self.headers) != len(given) else []
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.scheme: str = scope["scheme"]
        self.receive, self.send = receive, send
        self.route: Route | None = None
        self.stream_error: status_pb2.Status | None = None
        """What the stream that answered it ended with."""
        self.read = b"content-length" not in self.headers and b"transfer-encoding" not in self.headers
        """Whether the whole request was read, so that another one may follow on the connection."""

    def check_headers(self) -> None:
        """Refuse a header given twice where checks use it. Raises InvalidInput."""
        if not self._several:
            return
        names = [name for name, _ in self._several]
        for name in _ONCE.intersection(names):
            if names.count(name) > 1:
                raise InvalidInput.one(name.decode(), "is there more than once", reason="UNREADABLE_REQUEST")

    @property
    def caller(self) -> call_log.Caller:
        """Who sent it, for the log."""
        return call_log.http_caller(self.text(b"rungway-namespace"))

    def text(self, name: bytes) -> str:
        """A header as text; "" if it is missing."""
        return self.headers.get(name, b"").decode("latin-1")

    async def body(self, bodies: Bodies) -> bytes:
        """The whole body. Raises as `Bodies.read`."""
        body = await bodies.read(self.receive, self.headers.get(b"content-length", b""))
        self.read = True
        return body


def _token(body: bytes) -> str:
    try:
        token = json.loads(body)["token"]
    except (ValueError, TypeError, LookupError, RecursionError):
        token = None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or set(token) & set(' ;,"\\'):
        raise InvalidInput.one("token", 'wanted {"token": "rwy_…"}')
    return token


def _http_status(error: Exception) -> int | None:
    return 413 if isinstance(error, InvalidInput) and error.reason == "REQUEST_TOO_LARGE" else None


def _not_allowed(methods: str) -> Reply:
    reply = error_reply(status_pb2.Status(code=code_pb2.UNIMPLEMENTED, message=f"wanted {methods}"), 405)
    reply.headers = [*reply.headers, (b"allow", methods.encode())]
    return reply


def _wrong_type(
    headers: Mapping[bytes, bytes], wanted: Sequence[bytes] | Mapping[bytes, bool], hint: str = ""
) -> Reply:
    got = call.media_type(headers)[:80].decode("latin-1")
    text = f"Content-Type is {got!r}, wanted {' or '.join(each.decode() for each in wanted)}{hint}"
    reply = error_reply(status_pb2.Status(code=code_pb2.UNIMPLEMENTED, message=text), 415)
    reply.headers = [*reply.headers, (b"accept-post", b", ".join(wanted))]
    return reply
