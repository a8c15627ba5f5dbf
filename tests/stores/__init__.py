"""The contract of an event log (`contract`), and each store against it."""

import pytest

pytest.register_assert_rewrite("tests.stores.contract")
