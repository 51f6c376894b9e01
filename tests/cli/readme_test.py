"""Every `canirun` command of the README runs, and the table it shows is the golden one."""
import os
import re
import shlex
import tempfile
import unittest

from program import MACHINE, TOP, run


class Readme(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(TOP, "README.md"), encoding="utf-8") as f:
            self.text = f.read()

    def test_every_command_runs(self):
        commands = [line for block in re.findall(r"```sh\n(.*?)```", self.text, re.S) for line in block.splitlines() if line.startswith("canirun")]
        self.assertGreater(len(commands), 5)
        with tempfile.TemporaryDirectory() as folder:
            for line in commands:
                words = shlex.split(line.split(" | ")[0], comments=True)[1:]
                words = [MACHINE if w == "machine.json" and "--hardware" in words else w for w in words]
                r = run(*words, cwd=folder)
                self.assertIn(r.returncode, (0, 1) if set(words[:1]) & {"check", "plan"} else (0,), f"{line}\n{r.stderr}")

    def test_the_shown_table_is_real(self):
        with open(os.path.join(TOP, "tests", "golden", "desktop-rtx3060-12g.table.txt"), encoding="utf-8") as f:
            self.assertIn(f.read(), self.text)


if __name__ == "__main__":
    unittest.main()
