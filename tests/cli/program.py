"""The program under test: runs it in a clean environment, without this machine's own catalogue, colour or width."""
import json
import os
import pty
import subprocess
import sys

import jsonschema

PROGRAM, TOP = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.argv[1:] = []
PROFILES = os.path.join(TOP, "tests", "fixtures", "profiles")
MACHINE = os.path.join(PROFILES, "desktop-rtx3060-12g.json")


SANITIZED = "CANIRUN_SANITIZED" in os.environ  # it maps terabytes and is several times slower
KEEP = {k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_", "PATH"))}
ENVIRONMENT = {**KEEP, "LANG": "C.UTF-8", "COLUMNS": "80", "HOME": "/nonexistent"}


def run(*arguments, env=None, **keywords):
    environment = {**ENVIRONMENT, **(env or {})}
    keywords.setdefault("capture_output", True)
    return subprocess.run([PROGRAM, *arguments], env=environment, text=True, timeout=120, **keywords)


def on_terminal(command, environment):
    """What a command writes to a terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(command[0], command, environment)
    said = b""
    try:
        while chunk := os.read(terminal, 65536):
            said += chunk
    except OSError:  # the other end is gone
        pass
    os.close(terminal)
    os.waitpid(child, 0)
    return said.decode()


def validate(document, schema):
    with open(os.path.join(TOP, "docs", "schema", schema + ".json"), encoding="utf-8") as f:
        jsonschema.Draft7Validator(json.load(f)).validate(document)
