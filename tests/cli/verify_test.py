"""`canirun verify` with programs that print what llama.cpp's print, and with programs that misbehave."""
import json
import os
import tempfile
import time
import unittest

from gguf_file import write_llama
from program import ENVIRONMENT, PROGRAM, on_terminal, run, validate

# llama.cpp tools/fit-params/fit-params.cpp: "%s %zu %zu %zu \n" a device, then the host.
FIT = "#!/bin/sh\necho \"$@\" > \"$0.args\"\nenv > \"$0.env\"\necho 'loading' >&2\nprintf 'Host 1 64 300 \\n'\n"
# tools/llama-bench/llama-bench.cpp: json_printer, the fields that count here among others.
BENCH_JSON = json.dumps([
    {"build_commit": "abc1234", "build_number": 9000, "n_prompt": 512, "n_gen": 0, "n_depth": 0, "avg_ts": 1200.5, "stddev_ts": 3.1},
    {"build_commit": "abc1234", "build_number": 9000, "n_prompt": 0, "n_gen": 64, "n_depth": 0, "avg_ts": 345.25, "stddev_ts": 0.4}])
BENCH = f"#!/bin/sh\necho \"$@\" > \"$0.args\"\ncat <<'END'\n{BENCH_JSON}\nEND\n"


class Verify(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.model = os.path.join(self.folder, "tiny model.gguf")
        write_llama(self.model)

    def program(self, name, text, mode=0o755):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def verify(self, *arguments, env=None):
        # The machine of a test has whatever GPUs it has; a run on the processor is the same everywhere.
        return run("verify", self.model, "--backend", "cpu", "--probe-timeout", "200", *arguments,
                   env={"CANIRUN_LLAMA_CPP": self.folder, "XDG_CACHE_HOME": os.path.join(self.folder, "cache"), "PATH": "/usr/bin:/bin", **(env or {})})

    def document(self, *arguments, **keywords):
        r = self.verify("--json", *arguments, **keywords)
        self.assertEqual((r.returncode, r.stderr), (0, ""), r.stdout)
        document = json.loads(r.stdout)
        validate(document, "verify-1")
        return document

    def test_estimate_and_measurement_stand_side_by_side(self):
        self.program("llama-fit-params", FIT)
        self.program("llama-bench", BENCH)
        document = self.document("--ctx", "2048", "-ctk", "q8_0", "-ctv", "q8_0")
        (host,) = document["memory"]
        self.assertEqual((host["device"], host["measured_as"]), ("host", "Host"))
        self.assertEqual([(p["part"], p["measured_bytes"] >> 20) for p in host["parts"]], [("model", 1), ("context", 64), ("compute", 300)])
        self.assertTrue(all(p["estimate_bytes"] > 0 for p in host["parts"]))
        self.assertEqual({s["what"]: s["measured"] for s in document["speed"]}, {"generation_tps": 345.25, "prompt_tps": 1200.5})
        self.assertEqual((document["llama_cpp"], document["n_ctx"]), ("abc1234", 2048))
        self.assertEqual([p["status"] for p in document["programs"]], ["done", "done", "missing"])
        self.assertIsNone(document["devices"])
        with open(os.path.join(self.folder, "llama-fit-params.args"), encoding="utf-8") as f:
            arguments = f.read()
        self.assertIn(f"-m {self.model} -c 2048", arguments)
        self.assertIn("-ctk q8_0 -ctv q8_0", arguments)
        self.assertIn("--fit-print on", arguments)
        with open(os.path.join(self.folder, "llama-bench.args"), encoding="utf-8") as f:
            arguments = f.read()
        for part in ("-o json", "-p 512 -n 64", "-d 0", "-ngl 0", "-ctk q8_0"):
            self.assertIn(part, arguments)
        text = self.verify().stdout
        for part in ("RAM", "model", "context", "compute", "generation", "345", "llama-bench: done"):
            self.assertIn(part, text)

    def test_the_environment_is_clean(self):
        self.program("llama-fit-params", FIT)
        self.document(env={"LLAMA_ARG_CTX_SIZE": "1", "LD_PRELOAD": "", "GGML_CUDA_FORCE_MMQ": "1", "CUDA_VISIBLE_DEVICES": "0"})
        with open(os.path.join(self.folder, "llama-fit-params.env"), encoding="utf-8") as f:
            names = {line.split("=")[0] for line in f}
        self.assertIn("CUDA_VISIBLE_DEVICES", names)
        self.assertFalse(names & {"LLAMA_ARG_CTX_SIZE", "GGML_CUDA_FORCE_MMQ", "LD_PRELOAD", "CANIRUN_LLAMA_CPP"})

    def test_a_terminal_shows_what_it_waits_for_and_takes_it_back(self):
        self.program("llama-bench", BENCH)
        command = [PROGRAM, "verify", self.model, "--backend", "cpu", "--probe-timeout", "200"]
        environment = {**ENVIRONMENT, "CANIRUN_LLAMA_CPP": self.folder, "PATH": "/usr/bin:/bin"}
        waiting = f"llama-bench runs {self.model} ...\r\x1b[K"
        self.assertIn(waiting, on_terminal(command, {**environment, "TERM": "xterm"}))
        self.assertNotIn(" ...", on_terminal(command, {**environment, "TERM": "dumb"}))

    def test_one_program_is_enough(self):
        self.program("llama-bench", BENCH)
        document = self.document()
        self.assertEqual([(p["name"], p["status"]) for p in document["programs"]], [("llama-fit-params", "missing"), ("llama-bench", "done"), ("llama-server", "missing")])
        self.assertEqual(document["memory"], [])

    def test_the_devices_of_llama_server_stand_beside_those_found_here(self):
        # llama.cpp common/arg.cpp, --list-devices: "  %s: %s (%zu MiB, %zu MiB free)\n".
        self.program("llama-server", "#!/bin/sh\necho \"$@\" > \"$0.args\"\necho 'Available devices:'\n"
                                     "echo '  CUDA0: NVIDIA RTX 6000 (Ada) (48510 MiB, 47900 MiB free)'\necho '  odd line'\n")
        (seen,) = self.document()["devices"]
        self.assertEqual((seen["measured_as"], seen["name"], seen["measured_bytes"] >> 20, seen["free_bytes"] >> 20),
                         ("CUDA0", "NVIDIA RTX 6000 (Ada)", 48510, 47900))
        with open(os.path.join(self.folder, "llama-server.args"), encoding="utf-8") as f:
            self.assertEqual(f.read().strip(), "--list-devices")
        self.assertIn("llama-server: done", self.verify().stdout)
        self.program("llama-server", "#!/bin/sh\necho 'Available devices:'\n")
        self.assertEqual(self.document()["devices"], [])
        self.program("llama-server", "#!/bin/sh\necho usage\n")
        r = self.verify()
        self.assertEqual(r.returncode, 3)
        self.assertIn("not a list of devices", r.stderr)

    def test_without_programs_it_says_what_it_needs(self):
        r = self.verify("--json")
        self.assertEqual(r.returncode, 3)
        validate(json.loads(r.stdout), "error-1")
        for part in ("llama-fit-params", "llama-bench", "PATH", "CANIRUN_LLAMA_CPP"):
            self.assertIn(part, r.stderr)

    def test_programs_that_misbehave_are_named_with_their_fate(self):
        for text, mode, says in (("#!/bin/sh\necho no such flag >&2\nexit 2\n", 0o755, "status 2 (no such flag)"),
                                 ("#!/bin/sh\nkill -SEGV $$\n", 0o755, "signal 11"),
                                 ("#!/bin/sh\necho CUDA0 many few none\n", 0o755, "not a table of memory"),
                                 ("#!/bin/sh\nyes 'Host 1 2 3'\n", 0o755, "output without end"),
                                 ("#!/bin/sh\nprintf 'CUDA0 1 2 3 \\nHost 1 2 3 \\n'\n", 0o755, "other devices"),
                                 ("no program\n", 0o644, "not executable"),
                                 ("\x7fELF nonsense\n", 0o755, "cannot be started")):
            with self.subTest(says=says):
                self.program("llama-fit-params", text, mode)
                r = self.verify()
                self.assertEqual(r.returncode, 3, r.stdout)
                self.assertIn(says, r.stderr)
                self.assertEqual(r.stderr.count("\n"), 1)
        for text in ("#!/bin/sh\necho '{\"a\": 1}'\n", "#!/bin/sh\necho '[{\"n_prompt\": 0, \"n_gen\": 64, \"avg_ts\": \"fast\"}]'\n"):
            os.remove(os.path.join(self.folder, "llama-fit-params")) if os.path.exists(os.path.join(self.folder, "llama-fit-params")) else None
            self.program("llama-bench", text)
            r = self.verify()
            self.assertEqual(r.returncode, 3)
            self.assertIn("not a list of results", r.stderr)

    def test_a_program_that_hangs_is_ended_with_all_it_started(self):
        self.program("llama-fit-params", "#!/bin/sh\nsleep 300 &\necho $! > \"$0.pid\"\nwait\n")
        start = time.monotonic()
        r = self.verify("--deadline", "1")
        self.assertLess(time.monotonic() - start, 30)
        self.assertEqual(r.returncode, 3)
        self.assertIn("no answer in 1 s", r.stderr)
        with open(os.path.join(self.folder, "llama-fit-params.pid"), encoding="utf-8") as f:
            pid = int(f.read())
        for _ in range(100):
            try:
                with open(f"/proc/{pid}/status", encoding="utf-8") as f:
                    if "State:\tZ" in f.read():
                        break
            except FileNotFoundError:
                break
            time.sleep(0.05)
        else:
            self.fail(f"{pid} still runs")

    def test_a_saved_result_is_used_on_this_machine(self):
        self.program("llama-bench", BENCH)
        r = self.verify("--save")  # a model so small is nothing that the law knows
        self.assertEqual((r.returncode, r.stdout), (3, ""))
        self.assertIn("hundred times", r.stderr)
        half = {s["what"]: round(s["estimate"]["estimate"] / 2, 2) for s in self.document()["speed"]}
        self.program("llama-bench", BENCH.replace("345.25", str(half["generation_tps"])).replace("1200.5", str(half["prompt_tps"])))
        cache = {"XDG_CACHE_HOME": os.path.join(self.folder, "cache")}
        asked = [self.model, "--backend", "cpu", "--depth", "1", "--json", "--probe-timeout", "200"]
        before = json.loads(run(*asked, env=cache).stdout)["models"][0]["quants"][0]
        document = self.document("--save")
        self.assertTrue(os.path.exists(document["saved"]))
        after = json.loads(run(*asked, env=cache).stdout)["models"][0]["quants"][0]
        self.assertNotEqual(before["speed"]["basis"], "measured")
        self.assertEqual(after["speed"]["basis"], "measured")
        self.assertAlmostEqual(after["speed"]["generation_tps"]["estimate"] / half["generation_tps"], 1, places=1)
        self.assertAlmostEqual(after["speed"]["prompt_tps"]["estimate"] / half["prompt_tps"], 1, places=1)
        self.assertEqual(after["memory"], before["memory"])
        # Another machine has nothing to do with it, and a file that is something else is no file.
        other = json.loads(run(*asked, "--cores", "64", env=cache).stdout)["models"][0]["quants"][0]
        self.assertNotEqual(other["speed"]["basis"], "measured")
        with open(document["saved"], "w", encoding="utf-8") as f:
            f.write('{"schema": "canirun.runs/1", "machines": {"x": [1, {}]}, "more": [')
        again = json.loads(run(*asked, env=cache).stdout)["models"][0]["quants"][0]
        self.assertEqual(again["speed"], before["speed"])

    def test_a_wrong_question_is_refused(self):
        for arguments, says in ((["verify", "llama-3.1-8b"], ".gguf"), (["verify"], "one model"),
                                (["verify", self.model, "--gpu", "RTX 4090"], "--gpu"), (["verify", self.model, "--format", "csv"], "table and json"),
                                (["verify", os.path.join(self.folder, "none.gguf")], "none.gguf"), (["llama-3.1-8b", "--save"], "--save")):
            r = run(*arguments)
            self.assertEqual((r.returncode, r.stdout), (2, ""), r.stderr)
            self.assertIn(says, r.stderr)


if __name__ == "__main__":
    unittest.main()
