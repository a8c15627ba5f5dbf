"""The contract of a store (`contract`), and each store against it."""

import pytest

pytest.register_assert_rewrite("tests.stores.contract")
pytest.register_assert_rewrite("tests.stores.queue_contract")
