"""What a run was told to do, so that two can be compared."""

from __future__ import annotations

from forebay.runs.parameters import differences, parameters_of
from forebay.wire.runs import Code, DataUse, NewRun, Variable


def test_a_command_is_taken_apart_into_its_options() -> None:
    new = NewRun(
        command=("forebay", "ctr", "train", "{data}", "--rounds", "200", "--rate=0.1", "--resume", "-o", "x y")
    )
    assert parameters_of(new, {}) == {
        "command": "forebay ctr train '{data}'",
        "--rounds": "200",
        "--rate": "0.1",
        "--resume": "yes",
        "-o": "x y",
        "cpus": "1",
    }


def test_what_follows_two_dashes_is_the_programs_own() -> None:
    assert parameters_of(NewRun(command=("a", "--b", "--", "--c", "d")), {})["command"] == "a -- --c d"


def test_negative_numbers_are_values() -> None:
    assert parameters_of(NewRun(command=("a", "--shift", "-0.5")), {})["--shift"] == "-0.5"


def test_data_variables_resources_and_code_belong_to_it() -> None:
    new = NewRun(
        command=("a",),
        data=(DataUse(name="logs", ref="clicks@v3"),),
        variables=(Variable(name="RATE", value="0.1"),),
        gpus=2,
        memory_bytes=2**31,
        code=Code(git_commit="abc", git_dirty=True),
    )
    found = parameters_of(new, {})
    assert (found["data logs"], found["$RATE"], found["gpus"], found["memory"]) == ("clicks@v3", "0.1", "2", "2 GiB")
    assert found["commit"] == "abc+changes"


def test_what_the_run_told_goes_before_its_option_of_that_name() -> None:
    found = parameters_of(NewRun(command=("a", "--learning-rate", "0.10")), {"learning_rate": "0.1", "seed": "1"})
    assert found == {"command": "a", "cpus": "1", "learning_rate": "0.1", "seed": "1"}


def test_differences_keep_the_order_and_know_what_is_missing() -> None:
    found = differences([{"a": "1", "b": "2"}, {"a": "1", "c": "3"}])
    assert [(each.name, each.values, each.differs) for each in found] == [
        ("a", ("1", "1"), False),
        ("b", ("2", None), True),
        ("c", (None, "3"), True),
    ]
