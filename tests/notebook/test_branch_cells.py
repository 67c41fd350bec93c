"""`%%branch`, `%%join`, `%nbflow flow` and `%nbflow run` in a real kernel: a literate notebook."""

from __future__ import annotations

import re

import pytest

from nbflow.errors import CellError
from nbflow.notebook.branch_completion import complete_branch
from nbflow.notebook.branch_text import read_branch
from nbflow.notebook.magics import NBFLOW_HELP
from tests.notebook.kernel import Kernel

MODEL = """
async def parrot(prompt):
    for word in prompt.split():
        yield word + " "
"""


@pytest.fixture(autouse=True)
def clean(kernel: Kernel):
    assert kernel.run(MODEL).status == "ok"
    kernel.run("%nbflow flow --clear")


def define(kernel: Kernel, *cells: str) -> None:
    for cell in cells:
        came = kernel.run(cell)
        assert (came.status, came.error) == ("ok", "")


CATS = (
    "%%join both\n{joke}\n{poem}",
    "%%branch joke\nWrite a joke about {topic}",
    "%%branch poem retries=2\nWrite a poem about {topic}",
)


def test_nodes_defined_in_any_order_run_as_one_flow(kernel):
    define(kernel, *CATS)
    cell = kernel.run("%nbflow run topic=cats -m parrot -o run")
    assert (cell.status, cell.error) == ("ok", "")
    assert "nbflow-pane" in cell.html
    assert "application/vnd.jupyter.widget-view+json" not in cell.outputs[0]
    said = kernel.run("run['both'] == run['joke'] + '\\n' + run['poem'], run['joke']").text
    assert said == "(True, 'Write a joke about cats ')"


def test_running_a_cell_again_replaces_its_node_where_it_stood(kernel):
    define(kernel, *CATS, "%%branch joke\nWrite a pun about {topic}")
    kernel.run("%nbflow run topic=cats -m parrot -o run")
    assert kernel.run("run['joke'], list(run.topology.nodes)").text == (
        "('Write a pun about cats ', ['both', 'joke', 'poem'])"
    )


def test_a_cell_says_what_it_defined(kernel):
    assert kernel.run(CATS[0]).stdout == "join both: a template that reads joke, poem\n"
    assert kernel.run(CATS[1]).stdout == "branch joke: a prompt that reads topic\n"


def test_a_branch_may_be_a_function_with_what_it_needs(kernel):
    define(
        kernel,
        "%%branch facts retries=1\nimport math\n\n"
        "def facts(topic):\n    return f'{topic}: {math.pi:.2f}'",
        "%%join both\nasync def both(facts):\n    return facts.upper()",
    )
    assert kernel.run("%nbflow run topic=cats -o run").error == ""
    assert kernel.run("run['both'], facts('x')").text == "('CATS: 3.14', 'x: 3.14')"


def test_code_may_have_the_notebooks_own_syntax(kernel):
    define(kernel, "%%branch said\nimport os\nwords = !echo hello\ndef said(): return words[0]")
    assert kernel.run("%nbflow run -o run").error == ""
    assert kernel.run("run['said']").text == "'hello'"


def test_a_traceback_shows_the_lines_of_the_code_that_ran(kernel):
    define(kernel, "%%branch bad\ndef bad():\n    return {}['x']")
    kernel.run("%nbflow run -o run --on-error keep")
    kernel.run("import traceback")
    shown = kernel.run("print(*traceback.format_exception(run.errors['bad']))").stdout
    assert "return {}['x']" in shown


def test_the_graph_shows_what_is_missing(kernel):
    define(kernel, *CATS[:2])
    cell = kernel.run("%nbflow flow")
    assert "topic = ?" in cell.outputs[0]["text/html"] + cell.outputs[0].get("image/svg+xml", "")
    assert "unknown name 'topic'" in cell.stdout
    assert "unknown name 'poem'" in cell.stdout


def test_a_node_is_dropped_and_all_of_them_are(kernel):
    define(kernel, *CATS)
    assert (
        "no node is called 'jok'. Did you mean 'joke'?"
        in kernel.run("%nbflow flow --drop jok").error
    )
    kernel.run("%nbflow flow --drop joke")
    assert "unknown name 'joke'" in kernel.run("%nbflow flow").stdout
    assert kernel.run("%nbflow flow --clear").stdout.startswith("no node is defined")
    assert "no node is defined" in kernel.run("%nbflow run").error


def test_a_name_that_stands_for_nothing_is_an_error_of_the_run(kernel):
    define(kernel, *CATS)
    error = kernel.run("%nbflow run -m parrot").error
    assert "joke: unknown name 'topic'" in error
    assert error.endswith("To give it a value: %nbflow run topic=...")
    error = kernel.run("%nbflow run -m parrot topic=cats tone=dry").error
    assert "nothing in this cell reads 'tone'" in error
    assert "line 1, column 34" in error


def test_a_slip_in_a_prompt_is_found_at_its_place(kernel):
    define(kernel, *CATS, "%%branch joke\nWrite a joke\nabout {topc}")
    error = kernel.run("%nbflow run -m parrot topic=cats").error
    assert "'topc'" in error
    assert "Did you mean 'topic'?" in error


def test_a_circle_names_the_cell_and_the_place(kernel):
    define(kernel, *CATS, "%%branch joke\nAbout\n{both}")
    error = kernel.run("%nbflow run -m parrot topic=cats").error
    assert "a circle" in error
    assert "joke, line 3, column 1, at '{both}'" in error


def test_a_dry_run_calls_nothing_and_variables_are_read(kernel):
    define(kernel, *CATS)
    kernel.run("topic = 'dogs'")
    cell = kernel.run("%nbflow run --dry-run -m parrot")
    assert "2 model calls" in cell.stdout
    assert kernel.run("del topic").status == "ok"


def test_the_flow_becomes_a_fanout_cell(kernel):
    define(kernel, *CATS)
    sent = kernel.start("%nbflow cell")
    payload = kernel.reply(sent)["payload"]
    assert payload[0]["text"].startswith("%%fanout\n[both] template\n{joke}\n{poem}\n\n[joke]")


def test_run_all_waits_for_it_and_an_error_in_it_is_short(kernel):
    define(kernel, "%%branch bad\ndef bad(): return {}['x']")
    cell = kernel.run("before = 1\n%nbflow run -o run\nafter = 1")
    assert cell.error.startswith("RunError: bad failed")
    assert len(cell.shown_error.splitlines()) == 1


@pytest.mark.parametrize(
    ("magic", "line", "body", "at", "words"),
    [
        ("branch", "", "x", (1, 10, ""), "takes a name"),
        ("branch", "my-joke", "x", (1, 10, "my-joke"), "takes a name"),
        ("branch", "joke retires=2", "x", (1, 15, "retires"), "retries"),
        ("branch", " joke  retries=x", "x", (1, 17, "retries=x"), "whole number"),
        ("branch", "joke", " \n", (1, 10, "joke"), "is empty"),
        ("branch", "joke", "x\n[poem]\ny", (3, 1, "[poem]"), "%%branch poem"),
        ("branch", "joke", "def jok(): 1", (2, 5, "jok"), "give both one name"),
        ("branch", "joke", "def joke(): 1\ndef b(): 1", (3, 5, "b"), "one function"),
        ("branch", "joke", "\ndef joke(: 1", (3, 10, ":"), "Python can't read"),
        ("branch", "joke seed=1", "def joke(): 'x'", (1, 20, "1"), "@node(seed=...)"),
        ("branch", "joke template", "def joke(): 1", (1, 15, "template"), "no use before code"),
        ("join", "both model=x", "{a}", (1, 19, "x"), "Write `prompt` behind the name"),
        ("join", "both", "nothing", (1, 8, "both"), "reads other nodes"),
    ],
)
def test_a_mistake_is_an_error_where_it_stands(magic, line, body, at, words):
    with pytest.raises(CellError) as caught:
        read_branch(magic, line, body)
    error = caught.value
    assert words in error.problem
    assert (error.line, error.column) == at[:2]


def test_only_a_join_is_told_of_the_word_prompt():
    with pytest.raises(CellError) as caught:
        read_branch("branch", "joke template model=x", "{a}")
    assert "of no use here" in caught.value.problem
    assert "prompt" not in caught.value.problem


def test_a_join_is_a_template_unless_it_says_prompt():
    assert read_branch("join", "both", "{a} {b}").kind == "template"
    asked = read_branch("join", "both prompt temperature=0", "{a} {b}")
    assert (asked.kind, asked.words) == ("prompt", {"temperature": "0"})


def test_escapes_and_elements_are_those_of_a_section():
    node = read_branch("branch", "a for doc in docs votes=3", "\\[joke] {doc}\n")
    assert (node.text, node.elements, node.shape) == ("[joke] {doc}", (("doc", "docs"),), "each")


def test_tab_offers_the_commands_that_the_help_names():
    offered, _ = complete_branch("%nbflow ", 8, [], [])
    assert [*offered] == [*sorted(re.findall(r"(?m)^    (\w+)", NBFLOW_HELP)), "--help"]


def test_tab_completes_options_nodes_and_commands(kernel):
    define(kernel, *CATS)

    def offered(cell: str) -> list[str]:
        reply = kernel.client.complete(cell.replace("|", ""), cell.index("|"))
        return kernel.reply(reply)["matches"]

    assert offered("%%branch pun retr|") == ["retries="]
    assert "joke" in offered("%%branch pun\nLike {jo|}")
    assert offered("%nbflow fl|") == ["flow"]
    assert "topic=" in offered("%nbflow run to|")
    assert offered("x = 1\n%nbflow run --on-error st|") == ["stop"]
    assert offered("%nbflow flow --drop po|") == ["poem"]
