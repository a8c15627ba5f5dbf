"""The orders: their page, their export, and their seals."""

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user, login_required

from streaming import current_run, operation, progress

from .forms import OrderForm
from .models import Order, db, orders_of
from .work import line_of, seal_of

blueprint = Blueprint("orders", __name__)


@blueprint.route("/", methods=["GET", "POST"])
@login_required
def index():
    """Lists the orders of the user, and takes another one."""
    form = OrderForm()
    if form.validate_on_submit():
        db.session.add(Order(user_id=current_user.id, title=form.title.data, price=int(form.price.data * 100)))
        db.session.commit()
        return redirect(url_for(".index"))
    return render_template("orders.html", form=form, orders=orders_of(current_user.id))


@operation(linger=60)
def export():
    """The orders of the user as CSV, each with its tax."""
    orders, lines = orders_of(current_run().owner), []
    db.session.remove()  # gives its connection back: what follows takes long, and needs none
    for number, order in enumerate(orders, 1):
        lines.append(line_of(order))
        yield progress(order.title, done=number, total=len(orders), unit="orders")
    return "\n".join(lines)


@operation(runs_in="thread", linger=60)
def seal():
    """Seals the orders of the user."""
    orders = orders_of(current_run().owner)
    for number, order in enumerate(orders, 1):
        order.seal = seal_of(order)
        db.session.commit()
        yield progress(order.title, done=number, total=len(orders), unit="orders")
    return len(orders)
