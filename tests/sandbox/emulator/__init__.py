"""The emulated AWS: MiniStack 1.5.33, in a process and an environment of its own, with its gaps closed.

Each module is about one thing that MiniStack does unlike AWS. Its functions are wrappers around MiniStack's own, in
place once the module is imported; nothing of the product is replaced. `python -m tests.sandbox.emulator` runs it, in
the environment that holds MiniStack. What is wrong and stays wrong is in tests/sandbox/README.md.
"""
