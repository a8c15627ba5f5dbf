"""An application in a module, which the process of an operation takes from there."""

from __future__ import annotations

from tests.apps.contexts import create_app

app = create_app("tests.apps.context_app:app")
