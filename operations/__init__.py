"""The operations that the service offers, one module each, and the packages that they use.

They import only the library's public names, so another application can use them too.
"""

import sys
from types import ModuleType

# httpx imports its own command line where rich and Pygments are installed, which takes a tenth of the service's start.
sys.modules.setdefault("httpx._main", ModuleType("httpx._main"))
