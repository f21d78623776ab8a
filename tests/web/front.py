"""A reverse proxy that serves a service under a path, as `location /proxy/x/ { proxy_pass …; }` does in nginx."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.waiting import SECONDS

PATH = "/proxy/x"
_HOP = ("connection", "transfer-encoding", "keep-alive")


@contextmanager
def proxied(service: str) -> Iterator[str]:
    """The URL of a path below which the service at this host:port is, without "/" at its end."""

    class Front(BaseHTTPRequestHandler):
        def _pass(self) -> None:
            if not self.path.startswith(PATH + "/"):
                self.send_error(404)
                return
            upstream = http.client.HTTPConnection(service, timeout=SECONDS)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            upstream.request(self.command, self.path[len(PATH) :], body, dict(self.headers))
            answer = upstream.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            with suppress(OSError):  # the browser has left
                while piece := answer.read1(65_536):
                    self.wfile.write(piece)
            upstream.close()

        do_GET = do_POST = do_DELETE = _pass

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{PATH}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
