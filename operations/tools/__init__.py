"""Tools: what the agent may call, what keeps a call within its bounds, and the steps in which it calls.

    base       a tool: a name, a description, a JSON Schema of its arguments, and a function
    schema     that schema as a model is held to it, and as it is told about it
    web        HTTP for tools: allowed hosts, their addresses, redirects, sizes, times, retries
    apis       five public APIs that need no key
    data       `query`: SQL over the run's tables
    documents  `read`: the text of the run's documents, which `reading` takes out of them in a process of its own
    own        tools of the deployment: functions, and entries of a file
    box        all tools that this deployment offers
    calls      several calls side by side, each with an outcome whatever happens
    plans      what a model is asked for at a step, and how its reply is read
    steps      the steps of a run: ask the model, make the calls, show it what came of them

A tool of one's own is a function with annotations and a docstring:

    from operations.tools import ToolError, tool

    @tool
    def stock(part: str, warehouse: str = "north") -> dict[str, int]:
        \"\"\"How many pieces of a part a warehouse has.\"\"\"

`HEADWAY_AGENT_TOOLS=my_tools:stock` offers it. What it returns is any JSON; what it raises is told to the model as a
failure, in its own words only where it is a `ToolError`. `get_json` and `request` are HTTP within the agent's bounds.
"""

from .base import Tool, ToolError, tool
from .web import get_json, request

__all__ = ["Tool", "ToolError", "get_json", "request", "tool"]
