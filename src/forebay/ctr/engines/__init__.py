"""Where the reference workload computes: this machine, a scheduler that runs, hosts over SSH, Kubernetes; CPUs or GPUs.

`spec` says what somebody wants, `sizes` how much of it, `cluster` opens it. One backend a module; each gives a client.
"""
