"""One golden file for each format and machine, made by the real program. CANIRUN_UPDATE_GOLDEN=1 rewrites them."""
import os
import re
import unittest

from program import PROFILES, TOP, run

GOLDEN = os.path.join(TOP, "tests", "golden")
FORMATS = ["table", "csv", "markdown", "html", "junit", "github", "gitlab", "prometheus", "nfd", "slurm", "ndjson", "json"]


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

    @staticmethod
    def own(text):
        """A page without what every page has."""
        return re.sub(r"<(style|script)>.*?</\1>\n?", "", text, flags=re.S)

    def test_every_format_of_every_machine(self):
        for name in sorted(os.listdir(PROFILES)):
            for form in FORMATS:
                # All quantisations in the table, which people read; one in the others, which say the same of each.
                quant = [] if form == "table" else ["-q", "Q4_K_M"]
                r = run("llama-3.1-8b", *quant, "--hardware", os.path.join(PROFILES, name), "--format", form)
                self.compare(name.replace(".json", f".{form}.txt"), self.own(r.stdout))

    def test_every_format_of_two_models(self):
        machine = os.path.join(PROFILES, "desktop-rtx3060-12g.json")
        for form in FORMATS:
            arguments = ["llama-2-7b", "llama-2-70b", "-q", "Q4_K_M,Q8_0", "--hardware", machine, "--format", form]
            if form not in ("json", "html"):
                self.compare(f"two-models.{form}.txt", run(*arguments).stdout)
        self.compare("two-models.plain.txt", run("llama-2-7b", "llama-2-70b", "-q", "Q4_K_M,Q8_0", "--hardware", machine, "--plain").stdout)
        self.compare("help.txt", run("--help").stdout)
        self.compare("explain.txt", run("llama-2-7b", "-q", "Q4_K_M", "--explain", "--hardware", machine).stdout)

    def test_every_format_of_a_fleet(self):
        for form in ("table", "json", "csv", "html"):
            self.compare(f"fleet.{form}.txt", self.own(run("fleet", PROFILES, "--model", "llama-3.1-8b", "--format", form).stdout))

    def test_requirements_of_a_policy(self):
        policy = os.path.join(TOP, "tests", "data", "policy.json")
        for form in ("table", "markdown", "junit", "github", "gitlab"):
            self.compare(f"policy.{form}.txt", run("check", "--policy", policy, "--format", form).stdout)


if __name__ == "__main__":
    unittest.main()
