"""Requirements: what names an environment, and the lines that mean files which do not go along."""

from __future__ import annotations

import pytest

from forebay.errors import InputError
from forebay.runs.executors.requirements import check_requirements, environment_key, told_environment


@pytest.mark.parametrize(
    "line",
    [
        "-r other.txt",
        "-rother.txt",
        "-e .",
        "-c c.txt",
        "--requirement=o.txt",
        "./wheel.whl",
        "../x",
        "/abs/x.whl",
        "x @ file:../x",
        "  .",
    ],
)
def test_a_line_that_means_another_file_is_refused(line: str) -> None:
    with pytest.raises(InputError, match="line 2") as caught:
        check_requirements(f"numpy>=2\n{line}\n")
    assert caught.value.kind == "bad-requirements"


def test_others_are_not() -> None:
    check_requirements(
        "# -r in a comment\n--index-url https://example.org/simple\nnumpy>=2  # ./x\n"
        "x @ file:///mnt/x.whl\ny[z]>=1; python_version>'3'\n"
    )


def test_the_name_is_of_text_and_python() -> None:
    key = environment_key("numpy", "CPython 3.11.7")
    assert key == environment_key("numpy", "CPython 3.11.7")
    assert len({key, environment_key("numpy\n", "CPython 3.11.7"), environment_key("numpy", "CPython 3.12.0")}) == 3


def test_an_environment_is_told_by_digest_first_line_python_and_engine() -> None:
    told = told_environment("# what trains\nnumpy==1.26.4\npolars\nxgboost\n", "CPython 3.11.7 x86_64", "slurm")
    assert "requirements sha256:" in told
    assert told.endswith(" (numpy==1.26.4 and 2 more); python CPython 3.11.7 x86_64; engine slurm")
    other = told_environment("numpy==1.26.4\npolars\ntorch\n", "CPython 3.11.7 x86_64", "slurm")
    assert other != told, "another text is another environment"
    assert len(told_environment("x" * 10_000, "CPython", "process")) < 300
    none = told_environment("# nothing\n", "CPython 3.11.7 x86_64", "process")
    assert none.startswith("no requirements; ")
    assert none.endswith("; engine process")
