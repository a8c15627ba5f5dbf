"""The commands of `flask`."""

from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext
from werkzeug.security import generate_password_hash

from .models import Order, User, db


@click.command("init-db")
@click.option("--orders", default=40, show_default=True, help="How many each user has.")
@with_appcontext
def init_db(orders):
    """Makes the tables, and the users ann and bob, whose passwords are their names."""
    Path(current_app.instance_path).mkdir(parents=True, exist_ok=True)
    db.drop_all()
    db.create_all()
    for name in ("ann", "bob"):
        user = User(name=name, password=generate_password_hash(name, "pbkdf2:sha256:1000"))
        db.session.add(user)
        db.session.flush()
        db.session.add_all(Order(user_id=user.id, title=f"Chair {n}", price=100 * n) for n in range(1, orders + 1))
    db.session.commit()
