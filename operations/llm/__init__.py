"""The language model behind the operations: one OpenAI-compatible server, the settings' or the embedded one.

model = yield from connect()                      # starts the embedded server where that is the model, and says so
for piece in chat(model, [user("Why is the sky blue?")], max_tokens=200):
    if isinstance(piece, Event):                  # a place in the queue, or how much of the prompt has been read
        yield piece
    elif isinstance(piece, Text):
        yield delta(piece.text)
filled = yield from fill(model, messages, schema, max_tokens=300)  # JSON that satisfies the schema

client      `connect`, `chat`, `fill`: what the operations use
errors      what may go wrong with a model, as the `OperationError` that viewers see
tags        `<think>` tags in a text that comes in pieces
wire        the SDK's client, whose calls a cancel can cut from another thread
embedded    finds the embedded model's server, or has it started
keeper      the process that keeps that server: no other imports it
"""

from .client import Finished, Message, Model, Piece, Text, Thinking, Usage, chat, connect, fill, user
from .embedded import hold
from .wire import place

__all__ = [
    "Finished",
    "Message",
    "Model",
    "Piece",
    "Text",
    "Thinking",
    "Usage",
    "chat",
    "connect",
    "fill",
    "hold",
    "place",
    "user",
]
