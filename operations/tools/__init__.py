"""The agent's tools, the limits of their calls, and the steps in which the agent calls them.

    base                a tool: a name, a description, a JSON Schema of its arguments, and a function
    schema              that schema for the model's server and for the prompt
    web                 HTTP to allowed hosts (`operations.hosts`): limits, retries, errors for the model
    context             what a tool can use in a call: files, HTTP, deadline
    apis                five public APIs that need no key
    data                `query`: SQL over the run's tables
    documents           `read`: the text of the run's documents
    custom              tools of the deployment: functions, and entries of a file
    registry            all tools of this deployment
    calls               concurrent calls
    prompt              the messages of a step
    plans               the schema of the model's reply, and its parser
    steps               the steps of a run: call the model, call tools, observe
    results             the result of a run
    goal                names, numbers, days, units and comparisons of a goal
    observed            what the tools have returned, as the checks read it
    units, values       units of measurement; values of expressions
    expressions         computes the values of an answer
    support, missing    whether the observations support an answer, and what of the goal it leaves out
    asked               what kind of value a goal asks for
    advice              what a model is told before its next reply
    wording             the words of an answer
    events              the data of the events of those steps

A custom tool is a function with annotations and a docstring:

    from operations.tools import ToolError, tool

    @tool
    def stock(part: str, warehouse: str = "north") -> dict[str, int]:
        \"\"\"How many pieces of a part a warehouse has.\"\"\"

`HEADWAY_AGENT_TOOLS=my_tools:stock` offers it. It returns any JSON. An exception is a failed call; the model sees its
message only if it is a `ToolError`. `get_json` and `request` are HTTP within the agent's limits.
"""

from .base import Tool, ToolError, tool
from .context import get_json, request

__all__ = ["Tool", "ToolError", "get_json", "request", "tool"]
