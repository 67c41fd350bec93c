"""The engine: a flow as nodes and edges, and running it. Standard library only.

In the order in which data goes through it: `topology` (nodes, edges) and `policies` say what to
run and how; `scheduler` runs it as `task`s, in `threads` where they are sync; what happens becomes
`events`, folded into the `record`; `run` is the handle on all of it. `states` holds the table of
states and `context` lets code know which task it runs in.
"""
