"""Logs: each line is one JSON object."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from rungway_server import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    root.handlers = []  # pytest's own would be closed
    stream = io.StringIO()
    yield stream
    root.handlers, root.level = before
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_object_per_line_with_what_is_bound(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger().info("told", text="two\nlines", thing={1, 2}.__class__)
    (line,) = lines_of(stream)
    assert line["event"] == "told"
    assert line["level"] == "info"
    assert line["request_id"] == "r-1"
    assert line["text"] == "two\nlines"
    assert str(line["ts"]).endswith("Z")


def test_libraries_are_routed_from_warnings_on(stream: io.StringIO) -> None:
    logs.configure("debug", "json", stream)
    logging.getLogger("grpc").info("chatter")
    logging.getLogger("grpc").warning("worse %s", "news")
    (line,) = lines_of(stream)
    assert (line["event"], line["level"], line["logger"]) == ("worse news", "warning", "grpc")


def test_errors_keep_their_traceback_without_the_values_of_locals(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    password = "hunter2"
    try:
        raise ValueError(len(password))
    except ValueError:
        structlog.get_logger().exception("broken")
        logging.getLogger("redis").exception("broken too")
    first, second = lines_of(stream)
    for line in (first, second):
        assert "ValueError: 7" in str(line["exception"])
    assert "hunter2" not in stream.getvalue().replace('password = "hunter2"', "")


def test_less_important_lines_are_left_out(stream: io.StringIO) -> None:
    logs.configure("warning", "json", stream)
    structlog.get_logger().info("told")
    assert stream.getvalue() == ""


def test_the_text_format(stream: io.StringIO) -> None:
    logs.configure("info", "console", stream)
    structlog.get_logger().info("told", trial=7)
    assert "told" in stream.getvalue()
    assert "trial=7" in stream.getvalue()


def test_auto_is_json_without_a_terminal(stream: io.StringIO) -> None:
    logs.configure("info", "auto", stream)
    structlog.get_logger().info("told")
    assert lines_of(stream)[0]["event"] == "told"
