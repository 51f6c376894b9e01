"""One golden file for each format and machine, made by the real program. CANIRUN_UPDATE_GOLDEN=1 rewrites them."""
import os
import unittest

from program import PROFILES, TOP, run

GOLDEN = os.path.join(TOP, "tests", "golden")
FORMATS = ["table", "csv", "markdown", "junit", "github", "gitlab", "prometheus", "ndjson"]


class Golden(unittest.TestCase):
    maxDiff = None

    def compare(self, name, text):
        path = os.path.join(GOLDEN, name)
        if os.environ.get("CANIRUN_UPDATE_GOLDEN"):
            os.makedirs(GOLDEN, exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="") as f:
                f.write(text)
        with open(path, encoding="utf-8", newline="") as f:
            self.assertEqual(f.read(), text, name)

    def test_the_table_of_every_machine(self):
        for name in sorted(os.listdir(PROFILES)):
            r = run("llama-3.1-8b", "--hardware", os.path.join(PROFILES, name))
            self.compare(name.replace(".json", ".table.txt"), r.stdout)

    def test_every_format_of_one_machine(self):
        machine = os.path.join(PROFILES, "desktop-rtx3060-12g.json")
        for form in FORMATS:
            arguments = ["llama-2-7b", "llama-2-70b", "-q", "Q4_K_M,Q8_0", "--hardware", machine, "--format", form]
            self.compare(f"two-models.{form}.txt", run(*arguments).stdout)
        self.compare("help.txt", run("--help").stdout)
        self.compare("explain.txt", run("llama-2-7b", "-q", "Q4_K_M", "--explain", "--hardware", machine).stdout)


if __name__ == "__main__":
    unittest.main()
