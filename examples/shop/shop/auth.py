"""Login and logout."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import login_required, login_user, logout_user
from werkzeug.security import check_password_hash

from .forms import LoginForm
from .models import User, db

blueprint = Blueprint("auth", __name__)


@blueprint.route("/login", methods=["GET", "POST"])
def login():
    """Logs somebody in."""
    form = LoginForm()
    if form.validate_on_submit():
        user = db.session.scalar(db.select(User).filter_by(name=form.name.data))
        if user is not None and check_password_hash(user.password, form.password.data):
            login_user(user)
            return redirect(url_for("orders.index"))
        form.password.errors.append("This is not the password of anybody of this name.")
    return render_template("login.html", form=form)


@blueprint.post("/logout")
@login_required
def logout():
    """Logs out."""
    logout_user()
    return redirect(url_for("auth.login"))
