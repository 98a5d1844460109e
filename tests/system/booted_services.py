"""Both services as a booted machine meets them: by name, over TLS. ``python -m tests.system.booted_services CERT KEY``.

It runs in the machine's network, takes one order a line and answers with one line. The names are told by a resolver of
its own, so that looking one up has to work from inside the walls of the service.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from typing import Any

from reconciler.sandbox.both import Sandbox
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.http.server import SandboxServer
from tests.system.support import Tap, Traffic

CASES_PORT, RECORDS_PORT, RESOLVER_PORT = 8443, 9443, 53
LOOPBACK = "127.0.0.1"
DOMAIN = b"\x07example\x04test\x00"
"""``example.test`` as it ends a question; every name below it is this machine's"""
A_RECORD, FOUND, NOT_FOUND = b"\x00\x01", b"\x81\x80", b"\x81\x83"
ADDRESS = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + socket.inet_aton(LOOPBACK)
"""the name of the question, type A, class IN, 60 s"""


class Resolver:
    """Answer every question for an address below ``example.test`` (RFC 1035, section 4)."""

    def __init__(self) -> None:
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, RESOLVER_PORT))

    def serve(self) -> None:
        """Answer for ever."""
        while True:
            data, sender = self._socket.recvfrom(512)
            self.asked += 1
            self._socket.sendto(_answer(data), sender)


def _answer(data: bytes) -> bytes:
    end = data.index(b"\x00", 12) + 1
    name, kind = data[12:end], data[end : end + 2]
    is_known = name.endswith(DOMAIN)
    address = ADDRESS if is_known and kind == A_RECORD else b""
    counts = b"\x00\x01" + (b"\x00\x01" if address else b"\x00\x00") + bytes(4)
    return data[:2] + (FOUND if is_known else NOT_FOUND) + counts + data[12 : end + 4] + address


class Services:
    """Hold the world, its two servers, and what tells their names."""

    def __init__(self, certificate: str, key: str) -> None:
        self.world = Sandbox(SandboxClock(follow_real_time=True), seed=0)
        self.traffic = Traffic()
        self.resolver = Resolver()
        threading.Thread(target=self.resolver.serve, daemon=True).start()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
        for face, port in ((self.world.case_face(), CASES_PORT), (self.world.record_face(), RECORDS_PORT)):
            SandboxServer(Tap(face, self.traffic), port=port, tls=tls, now=self.world.clock.now).start()

    def obey(self, order: Mapping[str, Any]) -> object:
        """Do what an order says, and give the answer; raise ValueError for one that there is not."""
        match order["do"]:
            case "open a case":
                return self.world.coralogix.create_case(order["title"])
            case "wait for writes":
                self.traffic.wait_for(lambda _: len(self.traffic.mutations) >= order["count"])
                return len(self.traffic.mutations)
            case "count records":
                return len(self.world.servicenow.records())
            case "count questions":
                return self.resolver.asked
        raise ValueError(f"no such order: {order}")


def main() -> None:
    """Serve until standard input ends."""
    services = Services(sys.argv[1], sys.argv[2])
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(services.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
