"""A shop: people log in, place orders, export them, and have them sealed."""

from flask import Flask
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFProtect

from streaming import Headway

from . import auth, commands, orders
from .models import User, db


def create_app(config=None):
    """The application, with settings from `SHOP_...` variables, and from `config` in its tests."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="only for development",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{app.instance_path}/shop.db",
        HEADWAY_STORE=f"sqlite:///{app.instance_path}/runs.db",
        TAX_SECONDS=0.05,
        SEAL_ROUNDS=200_000,
    )
    app.config.from_prefixed_env("SHOP")
    app.config.update(config or {})

    db.init_app(app)
    CSRFProtect(app)
    login = LoginManager(app)
    login.login_view = "auth.login"
    login.user_loader(lambda user: db.session.get(User, int(user)))

    app.register_blueprint(auth.blueprint)
    app.register_blueprint(orders.blueprint)
    app.cli.add_command(commands.init_db)
    Headway(app, operations=[orders.export, orders.seal], url_prefix="/jobs", authorize=lambda _: current_user.get_id())
    return app
