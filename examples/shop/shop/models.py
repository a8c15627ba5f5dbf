"""The tables."""

from flask_login import UserMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

db = SQLAlchemy()


class User(UserMixin, db.Model):
    """Somebody who may log in."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]


class Order(db.Model):
    """What somebody has ordered, for a price in cents; `seal` proves that nobody has changed it."""

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    title: Mapped[str]
    price: Mapped[int]
    seal: Mapped[str | None]


def orders_of(user):
    """The orders of the user with this id, the oldest first."""
    return db.session.scalars(db.select(Order).filter_by(user_id=int(user)).order_by(Order.id)).all()
