"""The command as a process of its own: streams, signals, terminals, start-up."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from knnrouter import Router

COMMAND = [sys.executable, "-W", "error", "-m", "knnrouter"]
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
COLOR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")


def shell(*args, **options):
    given = {
        "capture_output": True,
        "encoding": "utf-8",
        "timeout": 60,
        "check": False,
        "env": BUFFERED,
    }
    return subprocess.run([*COMMAND, *map(str, args)], **given | options)


def on_a_terminal(*args, columns=80, **env):
    """The output of the command on a terminal of 80 columns."""
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    bare = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    process = subprocess.Popen(
        [*COMMAND, *map(str, args)],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        env=bare | {"TERM": "xterm-256color"} | env,
    )
    os.close(slave)
    shown = bytearray()
    while True:
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # how Linux says that nobody writes any more
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert process.wait(timeout=60) == 0, shown
    return shown.decode().replace("\r\n", "\n")


def test_python_m_knnrouter_from_a_pipe(work):
    ran = shell("route", "--router", "router", input="Sort in C.\n")
    assert ran.returncode == 0
    assert re.fullmatch(r"coder: best expected score \[score 1\.000 ± [^\n]*\]\n", ran.stdout)
    assert ran.stderr == ""


def test_exit_codes_of_the_process(work):
    ran = shell("route", "x", "--router", "nowhere")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: there is no folder nowhere; make one with: knnrouter ")
    assert shell("route", "--lines", "--router", "router", input="\n").returncode == 1


def test_piped_output_has_no_codes_and_no_cut_lines(work):
    text = "Sort an array in C."
    ran = shell("explain", text, "--pool", "pool.yaml", env=BUFFERED | {"COLUMNS": "20"})
    assert "\x1b" not in ran.stdout + ran.stderr
    assert "…" not in ran.stdout
    assert ran.stdout.splitlines()[0].endswith("]")
    assert max(map(len, ran.stdout.splitlines())) > 60


def test_a_terminal_of_80_columns():
    shown = on_a_terminal("explain", "What is 12 times 7?")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert plain.count("llama-3.3-nemotron-super-49b-v1") >= 1
    assert max(map(len, plain.splitlines())) <= 80
    assert "…" not in plain
    table = [line for line in plain.splitlines() if re.match(r" 0\.\d\d\d \S+ +\S+#\d+ ", line)]
    assert len(table) == 10
    assert all(len(line.split()) == 12 for line in table)


def test_progress_with_the_time_left_on_a_terminal(work):
    shown = on_a_terminal("build", "results.csv", "--out", "new")
    for stage in ("Reading the file", "Embedding the queries", "Choosing the settings", "Saving"):
        assert stage in shown
    assert "100%" in shown
    assert re.search(r"\d:\d\d:\d\d", shown)
    assert COLOR.search(shown)


def test_no_color_is_honored(work):
    shown = on_a_terminal("build", "results.csv", "--out", "new", NO_COLOR="1")
    assert "100%" in shown
    assert COLOR.search(shown) is None


def test_nothing_to_route_on_a_terminal():
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    ran = shell("route", stdin=slave)
    os.close(master)
    os.close(slave)
    assert ran.returncode == 2
    assert "there is no text to route on; give TEXT, or pipe it in" in ran.stderr


def test_lines_are_answered_as_they_come(work):
    with subprocess.Popen(
        [*COMMAND, "route", "--lines", "--json", "--router", "router"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env=BUFFERED,
    ) as process:
        for text, model in (("Sort in C.", "coder"), ("A sonnet on the sea.", "poet")):
            process.stdin.write(f"{text}\n".encode())
            ready, _, _ = select.select([process.stdout], [], [], 30)
            assert ready, "no answer while the pipe is open"
            assert json.loads(process.stdout.readline())["model"] == model
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_a_reader_that_has_seen_enough(work):
    with subprocess.Popen(
        [*COMMAND, "route", "--lines", "--router", "router"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=BUFFERED,
    ) as process:
        process.stdout.close()
        process.stdin.write(b"Sort in C.\n" * 10)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk(work):
    with open("/dev/full", "w") as full:
        ran = shell("formats", stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: No space left on device")
    assert len(ran.stderr.splitlines()) == 1


def test_characters_that_the_terminal_does_not_know(work):
    ascii_only = BUFFERED | {"PYTHONIOENCODING": "ascii"}
    ran = shell("route", "Sort in C.", "--router", "router", env=ascii_only)
    assert ran.returncode == 0
    assert r"1.000 \xb1 " in ran.stdout


def test_an_interrupted_build_leaves_the_old_router(work):
    rows = (f'"Sort {number} numbers, in C.",{number % 2},1\n' for number in range(60_000))
    (work / "large.csv").write_text("query,a,b\n" + "".join(rows))
    before = {path.name: path.read_bytes() for path in (work / "router").iterdir()}
    with subprocess.Popen(
        [*COMMAND, "build", "large.csv", "--out", "router"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stderr.readline() == "note: recognized as: table (CSV)\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err == "error: interrupted\n"
    assert {path.name: path.read_bytes() for path in (work / "router").iterdir()} == before
    assert Router.load("router").records.models == ("coder", "poet")
    assert sorted(os.listdir()) == ["large.csv", "pool.yaml", "results.csv", "router"]


@pytest.mark.parametrize("module", ["numpy", "typer", "faiss", "pydantic"])
def test_an_interrupt_while_it_is_imported(module, tmp_path):
    (tmp_path / f"{module}.py").write_text("raise KeyboardInterrupt")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = shell("demo", env=BUFFERED | {"PYTHONPATH": paths})
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_help_and_routing_start_quickly(work):
    code = "import sys; from knnrouter.cli import main; sys.argv[1:] = {}; main()"
    heavy = "{'torch', 'pandas', 'sklearn', 'langchain_core', 'rich.progress'} & set(sys.modules)"
    for args in (["--help"], ["route", "Sort in C.", "--router", "router"]):
        text = f"import atexit, sys; atexit.register(lambda: print({heavy}));" + code.format(args)
        ran = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, encoding="utf-8", check=True
        )
        assert ran.stdout.splitlines()[-1] == "set()"
