"""What the tests of the integrations share: the program under test, a scratch folder, and services that end with the test."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, TOP = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
sys.argv[1:] = []
INTEGRATIONS = os.path.join(TOP, "integrations")
PROFILES = os.path.join(TOP, "tests", "fixtures", "profiles")


class Integration(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="canirun-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o755)
        self.env = {**os.environ, "CANIRUN": PROGRAM, "LANG": "C.UTF-8"}

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def service(self, *command):
        """Starts a program in the foreground; it is ended, by its own process id, when the test is over."""
        log = open(self.path(os.path.basename(command[0]) + ".out"), "ab")
        process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

        def end():
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()

        self.addCleanup(end)
        return process

    def run_ok(self, *command, **keywords):
        r = subprocess.run(command, env=self.env, text=True, capture_output=True, timeout=120, **keywords)
        self.assertEqual(r.returncode, 0, f"{' '.join(command)}\n{r.stdout}{r.stderr}")
        return r.stdout

    def eventually(self, what, seconds=60):
        """Waits until `what` returns something true; its last error is the failure."""
        until, last = time.time() + seconds, None
        while time.time() < until:
            try:
                value = what()
                if value:
                    return value
                last = value
            except Exception as error:  # noqa: BLE001, it is shown
                last = error
            time.sleep(0.2)
        logs = ""
        for name in sorted(os.listdir(self.folder)):
            if name.endswith((".log", ".out")):
                with open(self.path(name), encoding="utf-8", errors="replace") as f:
                    logs += f"--- {name}\n" + "".join(f.readlines()[-15:])
        self.fail(f"not in {seconds} s: {last}\n{logs}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
