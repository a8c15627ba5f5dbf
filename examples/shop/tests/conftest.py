"""An application with its tables, and a client for each user."""

import re

import pytest
from shop import create_app


class Browser:
    """A client that keeps its cookies, and the CSRF token of the last page."""

    def __init__(self, app):
        self.client = app.test_client()
        self.token = ""

    def get(self, path):
        """The page at this path."""
        answer = self.client.get(path)
        self.token = "".join(re.findall(r'name="csrf-token" content="([^"]+)"', answer.text)) or self.token
        return answer

    def post(self, path, headers=None, **data):
        """The answer to a form, or to a page's own request."""
        return self.client.post(path, data=data, headers={"X-CSRFToken": self.token, **(headers or {})})

    def login(self, name, password=None):
        """This, once it has sent the form."""
        self.get("/login")
        answer = self.post("/login", name=name, password=password or name)
        self.get("/")
        return answer


@pytest.fixture
def app(tmp_path):
    """A shop with two orders for each user, in which nothing takes long."""
    app = create_app(
        {
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/shop.db",
            "HEADWAY_STORE": "memory:",
            "TAX_SECONDS": 0,
            "SEAL_ROUNDS": 1,
        }
    )
    assert app.test_cli_runner().invoke(args=["init-db", "--orders", "2"]).exit_code == 0
    return app


@pytest.fixture
def ann(app):
    """A browser in which ann is logged in."""
    browser = Browser(app)
    browser.login("ann")
    return browser


@pytest.fixture
def bob(app):
    """A browser in which bob is logged in."""
    browser = Browser(app)
    browser.login("bob")
    return browser


@pytest.fixture
def nobody(app):
    """A browser in which nobody is logged in."""
    return Browser(app)
