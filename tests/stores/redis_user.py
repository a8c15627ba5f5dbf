"""The user that docs/stores.md tells operators to make for a store in Redis."""

from __future__ import annotations

import re

from streaming.stores.redis.connection import Connection
from tests.servers import ROOT, Server


def rules(prefix: str = "") -> list[str]:
    """The rules of the ACL line in docs/stores.md, for a store whose URL has this prefix."""
    line: str
    (line,) = re.findall(r"^user headway (.*)$", (ROOT / "docs" / "stores.md").read_text(), re.MULTILINE)
    text = line.replace(">PASSWORD", ">pw")
    return (text.replace("~headway:*", f"~{prefix}*") if prefix else text).split()


def limited(server: Server, prefix: str = "") -> str:
    """The URL of a store with this prefix, as a user who may do no more than it needs."""
    admin = Connection(server.url)
    (reply,) = admin.execute([("ACL", "SETUSER", "app", "reset", *rules(prefix))])
    admin.close()
    assert reply == b"OK"
    option = f"?prefix={prefix}" if prefix else ""
    return server.url.replace("redis://", "redis://app:pw@") + option
