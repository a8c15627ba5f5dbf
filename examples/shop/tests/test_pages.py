"""The shop: login, orders, and CSRF tokens."""


def test_a_login(nobody):
    """Only the right password lets in."""
    assert nobody.get("/").headers["Location"].startswith("/login")
    assert "This is not the password" in nobody.login("ann", "wrong").text
    assert nobody.login("ann").headers["Location"] == "/"
    assert "Chair 1" in nobody.get("/").text


def test_an_order(ann, bob):
    """It is on the page of who has placed it, and on no other."""
    assert ann.post("/", title="A table", price="12.50").status_code == 302
    assert "A table" in ann.get("/").text
    assert "A table" not in bob.get("/").text


def test_a_form_without_a_token(ann):
    """It is refused."""
    ann.token = ""
    assert ann.post("/", title="A table", price="12.50").status_code == 400
