"""How a site's engine runs a job: one protocol, `process` (the embedded default) and `slurm`; and what a job needs
before it starts: its working directory from a bundle, its Python environment.

Knows no hub, no cache and no run: plain values and paths come in and go out.
"""
