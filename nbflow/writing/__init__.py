"""The ways to write a flow, all compiled to the same core.

`prompt` reads and fills placeholders, `options` holds the words that say how a node or a run
behaves, `flow` makes a flow of Python functions and prompts, and `cell` of the text of a cell.
"""
