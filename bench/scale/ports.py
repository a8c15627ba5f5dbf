"""How many connections one address takes to one address and port: the kernel is tried with a range of few ports.

A proxy has one connection to a worker for each stream, and each has a port of its own at the proxy's end, from
`/proc/sys/net/ipv4/ip_local_port_range`. Ports are counted for each destination: a second address, a second port or a
unix socket has all of them again.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import Final

IP_LOCAL_PORT_RANGE: Final = 51
"""Linux 6.3: the first and the last port of a socket, 16 bits each (ip(7); the last one is in the upper bits)."""

FEW: Final = 50
"""How many ports it is tried with."""


def local_ports() -> int:
    """How many there are on this machine."""
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return last - first + 1


def free_ports() -> range:
    """A range of `FEW` ports that no socket is bound to now: the kernel skips such a port, whatever its address is."""
    for first in range(40_000, 60_000, FEW):
        with ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + FEW):
                stack.enter_context(socket.socket()).bind(("", port))
            return range(first, first + FEW)
    raise RuntimeError("no range of ports is free")


def connections(addresses: int, ports: range) -> int:
    """How many connections the kernel makes with these ports to servers on so many loopback addresses.

    Raises `OSError` where the kernel is older than Linux 6.3.
    """
    with ExitStack() as stack:
        servers = [
            stack.enter_context(socket.create_server((f"127.0.0.{9 + number}", 0))) for number in range(addresses)
        ]
        return sum(_connect_until_refused(stack, server, ports) for server in servers)


def _connect_until_refused(stack: ExitStack, server: socket.socket, ports: range) -> int:
    for number in range(len(ports) + 1):
        client = stack.enter_context(socket.socket())
        client.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=HH", ports[0], ports[-1]))
        try:
            client.connect(server.getsockname())
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return number
        stack.enter_context(server.accept()[0])
    raise RuntimeError("the kernel does not keep to the range of ports")
