"""The language model of the operations: an OpenAI-compatible server from the settings, or the embedded one.

model = yield from connect()                      # starts the embedded server if it is needed, with a progress event
for piece in chat(model, [user("Why is the sky blue?")], max_tokens=200):
    if isinstance(piece, Event):                  # progress: the place in the queue, or the prompt being read
        yield piece
    elif isinstance(piece, Text):
        yield delta(piece.text)
value, finished = yield from fill(model, messages, schema, max_tokens=300)  # JSON that satisfies the schema

client        `connect`, `chat`, `fill`: the functions for operations
ladder        requests to servers that do not take all parameters
tokens        whether a server has read the whole prompt
answers       the JSON in an answer, as models write it
fitting       the value of an answer as a schema wants it
errors        the errors of a model, as `OperationError`s for viewers
prompts       text of strangers in prompts: its marks, and its hidden characters
connection    the SDK's client, and connections that another thread can close on a cancel
embedded      finds the embedded model's server, or has it started
supervisor    the process that runs that server: nothing imports it
"""

from .client import Finished, Message, Model, Piece, Text, Thinking, Usage, chat, connect, fill, user
from .connection import place
from .embedded import check_model_file, hold

__all__ = [
    "Finished",
    "Message",
    "Model",
    "Piece",
    "Text",
    "Thinking",
    "Usage",
    "chat",
    "check_model_file",
    "connect",
    "fill",
    "hold",
    "place",
    "user",
]
