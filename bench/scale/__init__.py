"""How many machines it takes: what a viewer, a run and an event cost on each tier, and what follows from it.

`python -m bench.scale` measures for some minutes, keeps the figures in `bench/scale/costs.json`, and writes
`docs/scale.md` from them; `python -m bench.scale --page` writes the page from the figures that are there.

- `costs`: the figures, and their file.
- `measure`: takes them, of real processes on this machine. Processor time and memory count, never the time by a clock.
- `machines`: the calculation: what a workload takes of each tier, and what runs out first.
- `waiting`: the simulation of a queue in front of workers that are all busy.
- `ports`: how many connections one address takes, tried on the kernel.
- `page`: the page.
"""
