"""Asks the health listener of this container: exit code 0 when it says yes, else 1 and the reason.

For HEALTHCHECK, which runs it every few seconds for ever. So it is a script that needs nothing but Python:
`python -I -S …/rungway_server/healthprobe.py [livez]`. People use `rungway healthcheck`.
"""

import os
import socket
import sys

_ANY = {"0.0.0.0": "127.0.0.1", "[::]": "127.0.0.1"}  # noqa: S104 # compared, not bound; "[::]" accepts IPv4 too


def main() -> int:
    """Ask for /readyz, or the answer that is named; the exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 else "readyz"
    listen = os.environ.get("RUNGWAY_HEALTH_LISTEN", "")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        print(f"RUNGWAY_HEALTH_LISTEN: got {listen!r}: wanted HOST:PORT, where the service answers probes")
        return 1
    try:
        with socket.create_connection((_ANY.get(host, host.strip("[]")), int(port)), timeout=5) as connection:
            connection.sendall(f"GET /{name} HTTP/1.1\r\nHost: {listen}\r\n\r\n".encode())
            answer = b""
            while part := connection.recv(4096):
                answer += part
    except OSError as error:
        print(f"{listen}: {error}")
        return 1
    head, _, word = answer.partition(b"\r\n\r\n")
    print(word.decode(errors="replace").strip())
    return 0 if b" 200 " in head.partition(b"\r\n")[0] else 1


if __name__ == "__main__":
    sys.exit(main())
