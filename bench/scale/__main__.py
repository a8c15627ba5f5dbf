"""`python -m bench.scale` measures and writes `docs/scale.md`; with `--page` it writes that from the last figures."""

import argparse

from bench.scale import measure, page
from bench.scale.costs import Costs


def main() -> None:
    """Measures, unless told not to, and writes."""
    options = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    options.add_argument("--page", action="store_true", help="measure nothing")
    if not options.parse_args().page:
        measure.measure().save()
    page.write(Costs.load())


if __name__ == "__main__":
    main()
