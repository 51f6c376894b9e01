"""Names and paths in files are data: they cannot command a terminal, a shell, a spreadsheet or a page, and no path is followed.
usage: hostile_test.py PROGRAM TOP FAULT_LIBRARY"""
import csv
import html.parser
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM, TOP, SHIM = (os.path.abspath(a) for a in sys.argv[1:4])
sys.argv[1:] = []
sys.path.insert(0, os.path.join(TOP, "tests", "fuzz"))
import make_corpus  # noqa: E402  (writes GGUF files)

MACHINE = os.path.join(TOP, "tests", "fixtures", "profiles", "desktop-rtx3060-12g.json")
# A title is set, the screen is cleared, the direction is turned, a bell rings; C1 controls do the same in one character.
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066\r\x08\x7f"
# What ends a field in one format or another.
MARKUP = "<script>alert(1)</script>|`$(touch OWNED)`\"';&,:=%0A::error::\\[x](y)"
NAME = "evil" + ESCAPES + MARKUP
TEXT_FORMATS = ("table", "csv", "markdown", "html", "junit", "github", "prometheus")


def run(*arguments, env=None, **keywords):
    keep = {k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_", "PATH"))}
    environment = {**keep, "LANG": "C.UTF-8", "HOME": "/nonexistent", "COLUMNS": "100", **(env or {})}
    keywords.setdefault("stdin", subprocess.DEVNULL)
    # surrogateescape: bytes that are no text must be seen as what they are
    return subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, encoding="utf-8", errors="surrogateescape",
                          timeout=60, **keywords)


class Page(html.parser.HTMLParser):
    """The tags of a page."""

    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


class Hostile(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.old = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, self.old)

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    def profile(self):
        with open(MACHINE, encoding="utf-8") as f:
            p = json.load(f)
        p["cpu"]["model"] = p["host"]["os"] = p["host"]["kernel"] = NAME
        for gpu in p["gpus"]:
            gpu["name"] = gpu["driver"] = NAME
        p["notes"] = [{"source": NAME, "text": NAME}]
        return self.write("machine.json", p)

    def catalogue(self):
        with open(os.path.join(TOP, "tests", "fuzz", "data", "models.json"), encoding="utf-8") as f:
            entry = json.load(f)["models"][0]
        entry.update(id="evil" + ESCAPES, name=NAME, family="evil" + ESCAPES, provider=NAME, license=NAME, notes=NAME, aliases=[NAME],
                     sources=[NAME], tasks=["chat"])
        return self.write("own.json", {"schema": "canirun.models/1", "models": [entry]})

    def gguf(self):
        g = make_corpus.weights(make_corpus.decoder("llama", title=NAME))
        return self.write("evil$(touch OWNED)\x1b[2J;'.gguf", g.bytes() + bytes(1 << 18))

    def check_text(self, r, where):
        """Nothing that a terminal obeys; tabs are of --plain."""
        for stream in (r.stdout, r.stderr):
            found = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff]", stream)
            self.assertIsNone(found, (where, stream[max(0, (found.start() if found else 0) - 60):][:120]))
        self.assertIn(r.returncode, (0, 1, 2), (where, r.stderr))

    def test_names_cannot_command_a_terminal(self):
        profile, own, gguf = self.profile(), self.catalogue(), self.gguf()
        first = "evil" + ESCAPES
        questions = [[own], [gguf], ["--models", own, first], ["--models", own, "--family", first], ["check", own, "--min-grade", "S"],
                     ["check", gguf, "--min-speed", "100000000"], ["--models", own, "plan", first]]
        for question in questions:
            for more in ([], ["--explain"], ["--verbose"], ["--plain"], ["--color", "always"]):
                r = run(*question, "--hardware", profile, *more)
                if "always" in more:
                    r.stdout = re.sub("\x1b\\[[0-9;]*m", "", r.stdout)  # our own colours
                self.check_text(r, (question, more))
            for fmt in TEXT_FORMATS:
                if question[-2:-1] == ["plan"] or "plan" in question:
                    continue
                self.check_text(run(*question, "--hardware", profile, "--format", fmt), (question, fmt))
        for question in (["models", "--models", own], ["models", "validate", own], ["probe", "--hardware", profile],
                         ["models", "show", NAME], ["gpus", NAME], [NAME], ["--gpu", NAME, "llama-2-7b"], ["--task", NAME],
                         ["--hardware", NAME], ["--models", NAME], ["/" + NAME + ".gguf"], ["llama-2-7b", "--quant", NAME], ["--" + NAME],
                         ["llama-2-7b", "--ctx", NAME]):
            self.check_text(run(*question), question)

    def test_a_fleet_and_its_files_cannot_command_a_terminal(self):
        with open(self.profile(), encoding="utf-8") as f:
            machine = json.load(f)
        machine["host"]["name"] = NAME
        os.mkdir("fleet" + ESCAPES)
        for name, content in ((NAME.replace("/", "") + ".json", machine), ("broken\x1b[2J.json", b'{"schema": "\x1b[2J'), ("old\u202e.json", {"schema": NAME})):
            self.write(os.path.join("fleet" + ESCAPES, name), content)
        own = self.catalogue()
        question = ["fleet", "fleet" + ESCAPES, "--models", own, "--model", "evil" + ESCAPES, "--model", "llama-2-7b"]
        for fmt in ("table", "csv", "html"):
            r = run(*question, "--format", fmt)
            self.assertEqual(r.returncode, 0, r.stderr)
            self.check_text(r, fmt)
            self.assertEqual(r.stderr.count("\n"), 2, r.stderr)  # two files are none, each is named in one line
            self.assertNotIn("<script>alert", r.stdout if fmt == "html" else "")
        self.check_text(run("fleet", MACHINE, "--model", NAME), "a model")
        self.check_text(run("fleet", NAME, "--model", "llama-2-7b"), "a folder")
        rows = list(csv.reader(io.StringIO(run(*question, "--format", "csv").stdout)))
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})

    def test_what_a_program_of_llama_cpp_says_cannot_command_a_terminal(self):
        gguf, said = self.gguf(), "printf '\\033]0;owned\\007\\033[2J\\302\\233\\342\\200\\256\\377\\n'"
        result = json.dumps([{"build_commit": NAME, "build_number": 1, "n_prompt": 0, "n_gen": 64, "n_depth": 0, "avg_ts": 1.5, "stddev_ts": 1}])
        with open("result.json", "w", encoding="utf-8") as f:
            f.write(result)
        for script in (f"{said} >&2; exit 1", f"{said}; exit 0", f"cat '{self.folder}/result.json'", f"cat '{self.folder}/result.json'; {said} >&2"):
            os.chmod(self.write("llama-bench", f"#!/bin/sh\n{script}\n".encode()), 0o755)
            r = run("verify", gguf, "--backend", "cpu", "--probe-timeout", "200", env={"CANIRUN_LLAMA_CPP": self.folder, "PATH": "/usr/bin:/bin"})
            self.assertIn(r.returncode, (0, 3), r.stderr)
            r.returncode = 0
            self.check_text(r, script)

    def test_a_command_to_run_a_model_cannot_command_a_terminal(self):
        gguf, own = self.gguf(), self.catalogue()
        for target in ("llama-server", "ollama", "modelfile", "lmstudio", "localai", "kubernetes", "compose"):
            for question in ([gguf], ["--models", own, "evil" + ESCAPES]):
                r = run(*question, "--hardware", self.profile(), "--emit", target)
                refused = "a Modelfile cannot name a file with control characters" in r.stderr
                self.assertEqual((r.returncode, refused), (2, True) if refused and target in ("ollama", "modelfile") else (0, False), r.stderr)
                self.check_text(r, (target, question))

    def test_messages_about_files_cannot_command_a_terminal(self):
        for name, content in (("a.json", b'{"schema": "canirun.models/1", "models": [{"id": "\\u001b[2J", "kind": "\\u001b[2J"}]}'),
                              ("b.json", b'{"schema": "\x1b[2J\\u001b[2J"}'), ("c.json", b'{"architectures": ["\\u001b[2J\\u202e"]}'),
                              ("d.json", b'{"\\u001b[2J": [\x1b]}'), ("e.json", b"\x1b[2J\xff\xfe"),
                              ("f.gguf", b"GGUF" + b"\x03\0\0\0" + b"\0" * 8 + b"\x01" + b"\0" * 7 + b"\x05" + b"\0" * 7 + b"\x1b[2JX\x63\0\0\0")):
            path = self.write(name, content)
            for question in ([path], ["--models", path], ["--hardware", path, "llama-2-7b"], ["models", "validate", path],
                             ["models", "import", path]):
                r = run(*question)
                self.check_text(r, (name, question))
                self.assertNotEqual((r.returncode, r.stderr), (0, ""), question) if question[1:2] != ["validate"] else None

    def test_documents_stay_what_they_are(self):
        profile, own, gguf = self.profile(), self.catalogue(), self.gguf()
        ask = ["--models", own, "evil" + ESCAPES, gguf, "--hardware", profile, "--quant", "Q4_K_M", "--min-speed", "1000000"]
        rows = list(csv.reader(io.StringIO(run(*ask, "--format", "csv").stdout)))
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})
        self.assertTrue(all(not cell.startswith(("=", "+", "@", "\t", "\r")) for row in rows for cell in row))
        xml.etree.ElementTree.fromstring(run(*ask, "--format", "junit").stdout)
        for line in run(*ask, "--format", "github").stdout.splitlines():
            self.assertRegex(line, r"\A::(error|notice) title=[^:,\n]*(::|%3A)")
        for line in run(*ask, "--format", "prometheus").stdout.splitlines():
            self.assertRegex(line, r'\A(# (HELP|TYPE) .*|[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? [-+0-9.eE]+)\Z')
        json.loads(run(*ask, "--format", "gitlab").stdout)
        json.loads(run(*ask, "--json").stdout)
        for line in run(*ask, "--format", "ndjson").stdout.splitlines():
            json.loads(line)
        markdown = run(*ask, "--format", "markdown").stdout
        self.assertNotIn("<script", markdown)
        for table in re.findall(r"(?m)(?:^\|.*\n)+", markdown):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            self.assertEqual(len(widths), 1, table)

    def test_a_page_runs_no_script_of_a_name(self):
        plain, hostile = Page(), Page()
        plain.feed(run("llama-2-7b", "--hardware", MACHINE, "--format", "html").stdout)
        hostile.feed(run(self.catalogue(), "--hardware", self.profile(), "--format", "html").stdout)
        scripts = [sum(tag == "script" for tag, _ in page.tags) for page in (plain, hostile)]
        self.assertEqual(*scripts)
        for tag, attributes in hostile.tags:
            self.assertFalse([a for a in attributes if a.startswith("on")], (tag, attributes))
            self.assertNotIn("javascript:", str(attributes))

    def test_the_command_that_is_shown_is_one_command_for_a_shell(self):
        path = self.gguf()
        report = json.loads(run(path, "--hardware", MACHINE, "--json").stdout)
        command = report["models"][0]["quants"][0]["command"]
        self.assertNotIn("\x1b", command)
        words = subprocess.run(["bash", "-c", command.replace("llama-server", "printf '%s\\n'", 1)], capture_output=True, text=True, timeout=20,
                               check=True).stdout.splitlines()
        self.assertEqual(words[:2], ["-m", path])
        self.assertFalse(os.path.exists(os.path.join(self.folder, "OWNED")))

    def test_paths_in_files_are_not_followed(self):
        bait = self.write("bait.json", {})
        with open(os.path.join(TOP, "tests", "fuzz", "data", "models.json"), encoding="utf-8") as f:
            entry = json.load(f)["models"][0]
        entry.update(id="trap", hf_repo=bait, sources=[bait], notes=bait, aliases=[bait], ollama=bait)
        own = self.write("own.json", {"schema": "canirun.models/1", "models": [entry]})
        os.mkdir("model")
        config = {**make_corpus.LLAMA, "_name_or_path": bait, "auto_map": {"AutoConfig": bait}}
        self.write("model/config.json", config)
        self.write("model/model.safetensors.index.json", {"metadata": {}, "weight_map": {"lm_head.weight": bait, "x": "../bait.json"}})
        with open(MACHINE, encoding="utf-8") as f:
            profile = json.load(f)
        profile["gpus"][0].update(name=bait, driver=bait)
        profile["notes"] = [{"source": bait, "text": bait}]
        machine = self.write("machine.json", profile)
        g = make_corpus.weights(make_corpus.decoder("llama"))
        for key in ("general.base_model.0.repo_url", "general.source.url", "tokenizer.chat_template", "general.basename"):
            g.string(key, bait)
        gguf = self.write("m.gguf", g.bytes() + bytes(1 << 18))
        opened = os.path.join(self.folder, "opened")
        for question in ([own], ["model"], ["./model"], [gguf], ["--models", own, "trap", "--json"], ["models", "validate", own]):
            r = run(*question, *([] if "validate" in question else ["--hardware", machine]),
                    env={"LD_PRELOAD": SHIM, "CANIRUN_OPENED": opened})
            self.assertIn(r.returncode, (0, 1, 2), r.stderr)
        with open(opened, encoding="utf-8") as f:
            files = f.read().splitlines()
        self.assertIn(gguf, files)
        self.assertNotIn(bait, files)
        self.assertFalse([name for name in files if "bait" in name])

    def test_no_program_is_started_for_a_question_about_a_given_machine(self):
        """A PATH of traps, and no shell: nothing of it runs."""
        os.mkdir("bin")
        for name in ("sh", "bash", "nvidia-smi", "lspci", "vulkaninfo", "lscpu", "rocm-smi", "which", "uname"):
            path = self.write("bin/" + name, b"#!/bin/sh\ntouch " + self.folder.encode() + b"/RAN\n")
            os.chmod(path, 0o755)
        for question in (["llama-2-7b", "--hardware", MACHINE], ["--all", "--json", "--no-gpu"], ["probe", "--json"], ["doctor"], [self.gguf()]):
            r = run(*question, env={"PATH": os.path.join(self.folder, "bin"), "SHELL": os.path.join(self.folder, "bin", "sh")})
            self.assertIn(r.returncode, (0, 2), r.stderr)
        self.assertFalse(os.path.exists("RAN"))

    def test_an_output_that_is_a_link_keeps_the_link(self):
        target = self.write("real.txt", b"before")
        os.symlink(target, "link.txt")
        self.assertEqual(run("llama-2-7b", "--hardware", MACHINE, "-o", "link.txt").returncode, 0)
        self.assertTrue(os.path.islink("link.txt"))
        with open(target, encoding="utf-8") as f:
            self.assertIn("Llama 2 7B", f.read())


if __name__ == "__main__":
    unittest.main()
