"""Addresses of the services and of proxies: a scheme, a bare host, perhaps a port, and nothing else.

An address is written into logs, so it must hold no name, password or token; a refused one is shown without them.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from reconciler.config.shape.problems import shown
from reconciler.core.hosts import is_loopback

_PORT = re.compile(r"[0-9]{1,5}")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+")


def service_address(text: str, *, ours: str) -> str:
    """Check the address of a service and return it without a slash at the end.

    ``ours`` is the path that the program adds. Raises ValueError with one sentence. Plain ``http://`` is accepted on
    loopback alone, where the sandbox and tests live.
    """
    parts = _bare(text, ours=f": {ours} is ours to add")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError(
            f"found {_shown(text)}; allowed is https:// (http:// only on loopback: 127.0.0.0/8, ::1, localhost)"
        )
    return _joined(parts)


def proxy_address(text: str) -> str:
    """Check the address of a proxy, which may be plain ``http://``; raise ValueError with one sentence."""
    return _joined(_bare(text, ours=""))


def listen_address(text: str) -> tuple[str, int]:
    """Read an address of this machine, ``127.0.0.1:9464`` or ``[::1]:9464``; raise ValueError with one sentence."""
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        at = ipaddress.ip_address(bare)
    except ValueError:
        at = None
    # A number of IPv6 stands in brackets, so that its colons are not taken for the port's; one of IPv4 does not.
    if at is None or (at.version == 6) != (bare != host) or not _PORT.fullmatch(port) or int(port) > 65_535:
        raise ValueError(
            f'found {_shown(text)}; allowed is a number and a port, such as "127.0.0.1:9464" or "[::1]:9464"'
        )
    return bare, int(port)


def _bare(text: str, *, ours: str) -> SplitResult:
    if "@" in text:
        raise ValueError("the address holds a name or a password, which logs would repeat; allowed is a bare host")
    if not text.isprintable() or any(mark in text for mark in " \\"):
        raise ValueError(f"found {_shown(text)}; an address has no space, backslash or control character")
    try:
        parts = urlsplit(text)
        # ``port`` raises for what is no number; 0 stands for "any free one", which no client can reach.
        whole = parts.port != 0 and bool(_HOST.fullmatch(parts.hostname or ""))
    except ValueError:
        whole = False
    if not whole or parts.scheme not in {"http", "https"}:
        raise ValueError(f"found {_shown(text)}; allowed is https:// and a host, such as https://host.example.com")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"found {_shown(text)}; allowed is a bare host{ours}")
    return parts


def _joined(parts: SplitResult) -> str:
    host = parts.hostname or ""
    # ``hostname`` gives a literal IPv6 address without the brackets that an address needs.
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"


def _shown(text: str) -> str:
    """Show an address without what follows its path, where tokens are found."""
    return shown(re.split(r"[?#]", text, maxsplit=1)[0])
