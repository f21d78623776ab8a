"""The cookie that keeps a browser signed in: it holds the token itself, out of reach of scripts.

All replicas read it without anything shared, and a revoked token ends it. It counts only in requests that pass
`browser.check_same_origin`.
"""

_NAME, _SECURE_NAME = b"rungway", b"__Host-rungway"
_LONGEST = 200


def cookie_name(scheme: str) -> bytes:
    """Its name: with TLS the prefix __Host-, which no other host or plain connection can set (RFC 6265bis, 4.1.3.2)."""
    return _SECURE_NAME if scheme == "https" else _NAME


def cookie_token(cookies: bytes, scheme: str) -> bytes:
    """The token in a Cookie header; b"" if it has none."""
    if not cookies:
        return b""
    wanted = cookie_name(scheme)
    for each in cookies.split(b";"):
        name, _, value = each.strip().partition(b"=")
        if name == wanted:
            return value[:_LONGEST]
    return b""


def sign_in(token: str, scheme: str) -> bytes:
    """The Set-Cookie header that keeps the token until the browser is closed."""
    return b"%s=%s%s" % (cookie_name(scheme), token.encode(), _attributes(scheme))


def sign_out(scheme: str) -> bytes:
    """The Set-Cookie header that removes it."""
    return b"%s=%s; Max-Age=0" % (cookie_name(scheme), _attributes(scheme))


def _attributes(scheme: str) -> bytes:
    return b"; Path=/; HttpOnly; SameSite=Strict" + (b"; Secure" if scheme == "https" else b"")
