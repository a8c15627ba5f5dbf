"""A Dash application that shows what a run says, as it says it, by the stock component `dash_extensions.SSE`."""

import time

from dash import Dash, Input, Output, html
from dash_extensions import SSE
from flask import Flask

from streaming import Headway, delta, operation

STORY = "Once upon a time there was a run that nobody had to wait for."


@operation(linger=60)
def tell():
    """Tells a story, word by word."""
    for word in STORY.split():
        time.sleep(0.05)
        yield delta(f"{word} ")
    return "told"


server = Flask(__name__)
headway = Headway(server, operations=[tell])

app = Dash(__name__, server=server)
app.layout = html.Main([html.Button("Tell", id="start"), html.Pre(id="text"), html.Output(id="end"), SSE(id="stream")])


@app.callback(Output("stream", "url"), Input("start", "n_clicks"), prevent_initial_call=True)
def start(_: int) -> str:
    """Starts a run; its text comes as messages without names, and `[DONE]` after the last."""
    return f"/runs/{headway.start('tell').id}/events?view=text"


@app.callback(Output("text", "children"), Output("end", "children"), Input("stream", "value"), Input("stream", "done"))
def show(text: str | None, done: bool | None) -> tuple[str, str]:
    """Shows what has come so far."""
    return text or "", "The end." if done else ""
