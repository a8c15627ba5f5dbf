"""The forms; each has a hidden CSRF token."""

from flask_wtf import FlaskForm
from wtforms import DecimalField, PasswordField, StringField
from wtforms.validators import InputRequired, Length, NumberRange


class LoginForm(FlaskForm):
    """Who logs in."""

    name = StringField("Name", [InputRequired()])
    password = PasswordField("Password", [InputRequired()])


class OrderForm(FlaskForm):
    """What is ordered."""

    title = StringField("Title", [InputRequired(), Length(max=80)])
    price = DecimalField("Price", [InputRequired(), NumberRange(min=0, max=10_000)])
