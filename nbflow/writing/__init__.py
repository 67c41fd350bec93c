"""The ways to write a flow, all compiled to the same core.

```
prompt      reads and fills placeholders
options     the words that say how a node or a run behaves
flow        a flow of Python functions and prompts
cell        a flow of the text of a %%fanout cell, by way of
  place       where a piece of the cell stands, and its words
  line        the magic's line
  draft       a node as it stands in the cell, in one of two forms:
  sections    names and prompts; header says what is a header
  python      functions; source keeps their places, python_prompt knows those that are prompts
  variables   what the notebook has for the names that are left
completion  what the Tab key offers in such a cell
```
"""
