"""Everything that can fail around the program does, one call at a time: it still ends with a status of its own, says one sentence,
and leaves nothing behind.  usage: faults_test.py PROGRAM TOP FAULT_LIBRARY"""
import errno
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM, TOP, SHIM = (os.path.abspath(a) for a in sys.argv[1:4])
SANITIZED = "CANIRUN_SANITIZED" in os.environ
sys.argv[1:] = []
MACHINE = os.path.join(TOP, "tests", "fixtures", "profiles", "desktop-rtx3060-12g.json")
GGUF = os.path.join(TOP, "tests", "fuzz", "corpus", "gguf", "llama.gguf")


def environment(extra=None):
    keep = {k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_", "PATH"))}
    return {**keep, "LANG": "C.UTF-8", "HOME": "/nonexistent", "COLUMNS": "80", **(extra or {})}


def run(*arguments, env=None, **keywords):
    keywords.setdefault("stdin", subprocess.DEVNULL)
    keywords.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([PROGRAM, *arguments], env=environment(env), stderr=subprocess.PIPE, text=True, timeout=60, **keywords)


class Fault:
    """The N-th call of a function fails in one run of the program."""

    def __init__(self, folder, function, n, how):
        self.fired = os.path.join(folder, "fired")
        if os.path.exists(self.fired):
            os.remove(self.fired)
        self.env = {"LD_PRELOAD": SHIM, "CANIRUN_FAULT": f"{function}:{n}:{how}", "CANIRUN_FAULT_FIRED": self.fired}

    def happened(self):
        return os.path.exists(self.fired)


class Faults(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.out = os.path.join(self.folder, "out")
        os.mkdir(self.out)
        self.gguf = os.path.join(self.folder, "tiny.gguf")
        shutil.copy(GGUF, self.gguf)
        os.truncate(self.gguf, os.path.getsize(GGUF) + (1 << 18))  # its weights, as a hole

    def check_end(self, r, allowed=(0, 1, 2, 3), inputs=0):
        """A status of ours and, where it is a failure, one sentence; one more for each of the `inputs` that can be left out."""
        self.assertIn(r.returncode, allowed, (r.args, r.stderr))
        least = 1 if r.returncode >= 2 else 0
        self.assertRegex(r.stderr, rf"\A(canirun: [^\n]+\n){{{least},{least + inputs}}}\Z")

    def each(self, function, how, *arguments, at_most=12, allowed=(0, 1, 2, 3), same_as=None, inputs=0, env=None):
        """Lets call after call fail until none is left. `same_as`: what is printed all the same."""
        target = os.path.join(self.out, "report.json")
        reached = 0
        n = 1
        while reached < at_most:
            fault = Fault(self.folder, function, n, how)
            for name in os.listdir(self.out):
                os.remove(os.path.join(self.out, name))
            r = run(*arguments, *([] if same_as is not None else ["-o", target]), env={**(env or {}), **fault.env})
            if not fault.happened():
                break
            reached += 1
            with self.subTest(function=function, n=n, how=how):
                self.check_end(r, allowed, inputs)
                left = os.listdir(self.out)
                self.assertIn(left, [[], ["report.json"]])
                if same_as is not None:
                    self.assertEqual(r.stdout, same_as)
                elif left:
                    with open(target, encoding="utf-8") as f:
                        self.check_whole(f.read(), arguments)
                    if r.returncode >= 2:
                        self.assertEqual(function, "close")  # it was written; that closing failed is said
                else:
                    self.assertGreaterEqual(r.returncode, 2)
            n += 1 if n < 10 else n // 3
        return reached

    def check_whole(self, text, arguments):
        """A document, or the very lines that --emit prints when nothing fails."""
        if "--emit" in arguments:
            self.assertEqual(text, run(*arguments).stdout)
        else:
            json.loads(text)

    QUESTIONS = (("llama-2-7b", "--json", "--hardware", MACHINE), ("probe",), ("models", "--json"))
    FAULTS = (("open", errno.EACCES), ("open", errno.EMFILE), ("openat", errno.EACCES), ("fopen", errno.EMFILE), ("fopen64", errno.EMFILE),
              ("opendir", errno.EMFILE), ("read", errno.EIO), ("write", errno.EIO), ("writev", errno.EIO), ("fstat", errno.EIO),
              ("stat", errno.EACCES), ("close", errno.EIO))

    def test_no_call_that_fails_ends_the_program(self):
        calls = 0
        for question in self.QUESTIONS:
            for function, error in self.FAULTS:
                calls += self.each(function, error, *question, at_most=4 if SANITIZED else 12)
        self.assertGreater(calls, 40)

    def test_no_call_that_fails_ends_a_command_to_run_a_model(self):
        calls = sum(self.each(function, error, "llama-2-7b", "--emit", target, "--hardware", MACHINE, at_most=4)
                    for target in ("llama-server", "kubernetes") for function, error in self.FAULTS)
        self.assertGreater(calls, 10)

    def test_no_call_that_fails_ends_a_fleet(self):
        """Of a folder of two profiles the one that cannot be read is named, and the other is answered for."""
        folder = os.path.join(self.folder, "fleet")
        os.mkdir(folder)
        for name in ("desktop-rtx3060-12g.json", "vm-no-gpu.json"):
            shutil.copy(os.path.join(os.path.dirname(MACHINE), name), folder)
        question = ("fleet", folder, "--model", "llama-2-7b", "--json")
        calls = sum(self.each(function, error, *question, at_most=4 if SANITIZED else 12, inputs=2) for function, error in self.FAULTS)
        self.assertGreater(calls, 10)
        self.assertEqual(self.each("read", errno.EINTR, *question, same_as=run(*question).stdout), 2 * 2)  # both files to their ends

    def test_every_failure_of_a_program_of_llama_cpp_that_is_run(self):
        bench = os.path.join(self.folder, "llama-bench")
        with open(bench, "w", encoding="utf-8") as f:
            f.write("""#!/bin/sh
echo '[{"build_commit": "a", "build_number": 1, "n_prompt": 0, "n_gen": 64, "n_depth": 0, "avg_ts": 100.5, "stddev_ts": 1}]'
""")
        os.chmod(bench, 0o755)
        env = {"CANIRUN_LLAMA_CPP": self.folder, "CANIRUN_NVML_LIB": "/nonexistent/lib.so", "CANIRUN_VULKAN_LIB": "/nonexistent/lib.so",
               "PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": self.folder}
        question = ("verify", self.gguf, "--backend", "cpu", "--json")
        self.assertEqual(run(*question, env=env).returncode, 0)
        calls = sum(self.each(function, error, *question, at_most=4 if SANITIZED else 12, env=env, allowed=(0, 2, 3))
                    for function, error in (*self.FAULTS, ("pread", errno.EIO), ("pipe2", errno.EMFILE), ("posix_spawn", errno.EAGAIN),
                                            ("posix_spawn", errno.ENOMEM), ("poll", errno.ENOMEM), ("waitpid", errno.ECHILD)))
        self.assertGreater(calls, 20)
        for function in ("read", "pread", "poll", "waitpid", "write"):  # a signal changes nothing
            self.each(function, errno.EINTR, *question, env=env, allowed=(0,), at_most=6)
        self.assertEqual(os.listdir(self.out), ["report.json"])

    def test_no_step_of_writing_a_file_leaves_a_part_of_it(self):
        for function, error in (("mkostemp", errno.EACCES), ("mkostemp", errno.EROFS), ("write", errno.ENOSPC), ("write", errno.EDQUOT),
                                ("fchmod", errno.EPERM), ("rename", errno.EACCES), ("rename", errno.EXDEV)):
            pieces = 2 if function == "write" else 1  # the models, then what closes the document
            with self.subTest(function=function):
                self.assertEqual(self.each(function, error, *self.QUESTIONS[0], allowed=(3,)), pieces)

    def test_a_file_that_was_there_stays_when_the_new_one_fails(self):
        target = os.path.join(self.out, "report.json")
        for function in ("mkostemp", "write", "fchmod", "rename"):
            with open(target, "w", encoding="utf-8") as f:
                f.write("before")
            r = run(*self.QUESTIONS[0], "-o", target, env=Fault(self.folder, function, 1, errno.ENOSPC).env)
            self.assertEqual(r.returncode, 3, function)
            with open(target, encoding="utf-8") as f:
                self.assertEqual(f.read(), "before")
            self.assertEqual(os.listdir(self.out), ["report.json"])

    def test_a_signal_that_interrupts_a_call_changes_nothing(self):
        for arguments in ((self.gguf, "--hardware", MACHINE), self.QUESTIONS[0]):
            plain = run(*arguments).stdout
            self.assertNotEqual(plain, "")
            for function in ("read", "pread", "write"):
                self.each(function, errno.EINTR, *arguments, same_as=plain)
        for n in range(1, 60, 9):  # hwloc reads as well, and does not read again
            r = run("probe", "--json", "--no-gpu", env=Fault(self.folder, "read", n, errno.EINTR).env)
            self.check_end(r, (0,))
            self.assertIsNotNone(json.loads(r.stdout)["memory"]["total_bytes"])

    def test_drivers_in_children_meet_every_failure(self):
        env = {"CANIRUN_NVML_LIB": "/nonexistent/libnvidia-ml.so.1", "CANIRUN_VULKAN_LIB": "/nonexistent/libvulkan.so.1"}
        for function, error in (("pipe2", errno.EMFILE), ("posix_spawn", errno.EAGAIN), ("posix_spawn", errno.ENOMEM), ("poll", errno.EINTR),
                                ("poll", errno.ENOMEM), ("waitpid", errno.EINTR), ("read", errno.EINTR)):
            n = 1
            while n < 12:
                fault = Fault(self.folder, function, n, error)
                r = run("probe", "--json", env={**env, **fault.env})
                if not fault.happened():
                    break
                with self.subTest(function=function, n=n, error=error):
                    self.check_end(r, (0,))
                    json.loads(r.stdout)
                n += 1
            self.assertGreater(n, 1, function)

    def test_a_model_file_that_shrinks_or_fails_while_it_is_read(self):
        for how in ("eof", errno.EIO):
            r = run(self.gguf, "--hardware", MACHINE, env=Fault(self.folder, "pread", 1, how).env)
            self.check_end(r, (2,))
            self.assertIn("tiny.gguf", r.stderr)

    def test_a_model_file_that_is_really_cut_while_it_is_read(self):
        size = os.path.getsize(self.gguf)
        stop = threading.Event()

        def cut_and_grow():
            while not stop.is_set():
                os.truncate(self.gguf, 700)
                os.truncate(self.gguf, size)

        thread = threading.Thread(target=cut_and_grow)
        thread.start()
        try:
            for _ in range(8 if SANITIZED else 20):
                self.check_end(run(self.gguf, "--hardware", MACHINE), (0, 2))
        finally:
            stop.set()
            thread.join()

    def test_memory_that_runs_out_at_any_allocation(self):
        questions = (("llama-2-7b", "--quant", "Q4_K_M,Q8_0", "--json", "--hardware", MACHINE), (self.gguf, "--hardware", MACHINE),
                     ("check", "llama-2-7b", "--min-grade", "A", "--hardware", MACHINE), ("--task", "code", "--json", "--hardware", MACHINE))
        if SANITIZED:
            self.skipTest("the sanitizer's own allocator is not interposed")
        for question in questions:
            n, runs, failed = 1, 0, 0
            while runs < 30:
                fault = Fault(self.folder, "malloc", n, "always")
                r = run(*question, env=fault.env)
                if not fault.happened():
                    break
                self.assertIn(r.returncode, (0, 1, 3), (question, n, r.stderr))
                if r.returncode == 3:
                    failed += 1
                    self.assertRegex(r.stderr, r"\Acanirun: [^\n]+\n\Z")
                    if "--json" in question and r.stdout:
                        self.assertEqual(json.loads(r.stdout)["schema"], "canirun.error/1")
                runs += 1
                n += 1 + n // 3
            self.assertGreater(failed, 10, question)

    @unittest.skipIf(SANITIZED, "the sanitizer maps terabytes")
    def test_little_address_space(self):
        """ulimit -v from less than the loader needs to plenty."""
        statuses = set()
        for kib in (round(12288 * 1.25 ** i) for i in range(11)):
            def limit():
                resource.setrlimit(resource.RLIMIT_AS, (kib * 1024, kib * 1024))
            if run("--version", preexec_fn=limit).returncode:
                continue  # the loader could not map it: main is not reached
            r = run("--task", "code", "--json", "--hardware", MACHINE, preexec_fn=limit)
            self.check_end(r, (0, 3))
            statuses.add(r.returncode)
        self.assertIn(0, statuses)

    @unittest.skipIf(SANITIZED, "UBSan looks at an object's memory through a pipe of its own: without one, no object is valid")
    def test_few_file_descriptors(self):
        for limit in range(3, 14):
            r = run("probe", "--json", env={"CANIRUN_NVML_LIB": "/nonexistent/lib.so"},
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
            if r.returncode == 127:
                continue  # the loader opens libraries
            self.check_end(r, (0, 2, 3))

    def test_a_full_device_and_a_limited_file_size(self):
        self.check_end(run(*self.QUESTIONS[0], "-o", "/dev/full"), (3,))
        target = os.path.join(self.out, "report.json")
        r = run(*self.QUESTIONS[0], "-o", target, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)))
        self.check_end(r, (3,))
        self.assertEqual(os.listdir(self.out), [])

    def test_a_full_disk(self):
        script = f'mount -t tmpfs -o size=8k none "{self.out}" && "{PROGRAM}" models --json -o "{self.out}/x"; s=$?; ls -A "{self.out}"; exit $s'
        r = self.in_namespace(script)
        self.check_end(r, (3,))
        self.assertEqual(json.loads(r.stdout)["schema"], "canirun.error/1")  # and no file is listed after it

    def in_namespace(self, script):
        """A shell whose mounts are its own; skips where this user may not have one."""
        unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        if shutil.which("unshare") is None or subprocess.run([*unshare, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode:
            self.skipTest("this user may not mount")
        return subprocess.run([*unshare, "sh", "-c", script], env=environment(), capture_output=True, text=True, timeout=60)

    def test_no_proc(self):
        for folders in ("/sys",) if SANITIZED else ("/proc", "/sys", "/proc /sys"):  # sanitizers themselves need /proc
            hide = "".join(f"mount -t tmpfs none {folder} && " for folder in folders.split())
            r = self.in_namespace(hide + f'"{PROGRAM}" probe --json')
            self.check_end(r, (0,))
            json.loads(r.stdout)
            r = self.in_namespace(hide + f'"{PROGRAM}" llama-2-7b --json')
            self.check_end(r, (0,))

    def test_a_read_only_root(self):
        r = self.in_namespace(f'mount --bind "{self.folder}" "{self.folder}" && mount -o remount,bind,ro "{self.folder}" && '
                              f'"{PROGRAM}" llama-2-7b --hardware "{MACHINE}" -o "{self.out}/x"')
        self.check_end(r, (3,))
        self.assertIn("Read-only file system", r.stderr)
        self.assertEqual(os.listdir(self.out), [])
        # Remembering a measurement is a courtesy: where it cannot be kept the answer is the same.
        r = self.in_namespace(f'mount --bind "{self.folder}" "{self.folder}" && mount -o remount,bind,ro "{self.folder}" && '
                              f'XDG_CACHE_HOME="{self.folder}" "{PROGRAM}" probe --json --no-gpu --measure')
        self.check_end(r, (0,))

    def test_a_user_without_rights(self):
        def nobody():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        if subprocess.run(["true"], preexec_fn=nobody).returncode or subprocess.run([PROGRAM, "--version"], preexec_fn=nobody, env=environment(),
                                                                                    capture_output=True).returncode:
            self.skipTest("nobody may not run the program here")
        self.check_end(run("probe", "--json", preexec_fn=nobody), (0,))
        self.check_end(run("llama-2-7b", "--hardware", MACHINE, "-o", "/x", preexec_fn=nobody), (3,))
        secret = os.path.join(self.folder, "secret.json")
        with open(secret, "w", encoding="utf-8") as f:
            f.write("{}")
        os.chmod(secret, 0)
        os.chmod(self.folder, 0o755)
        for arguments in (("llama-2-7b", "--hardware", secret), ("--models", secret), (secret,)):
            r = run(*arguments, preexec_fn=nobody)
            self.check_end(r, (2,))
            self.assertIn("Permission denied", r.stderr)

        def no_more_processes():
            nobody()
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

        env = {"CANIRUN_NVML_LIB": "/nonexistent/lib.so"}
        if SANITIZED:  # which looks for leaks from a process of its own
            env["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"] + ":detect_leaks=0"
        for arguments in (("probe", "--json"), ("--task", "code", "--json"), ("probe", "--json", "--measure")):
            r = run(*arguments, env=env, preexec_fn=no_more_processes)
            self.check_end(r, (0,))
            json.loads(r.stdout)

    def test_streams_that_are_closed(self):
        for fds in ((0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)):
            def close_them():
                for fd in fds:
                    os.close(fd)
            r = subprocess.run([PROGRAM, *self.QUESTIONS[0]], env=environment(), preexec_fn=close_them, timeout=60,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.assertEqual(r.returncode, 3 if 1 in fds else 0, fds)
            target = os.path.join(self.out, "report.json")
            r = subprocess.run([PROGRAM, *self.QUESTIONS[0], "-o", target], env=environment(), preexec_fn=close_them, timeout=60)
            self.assertEqual(r.returncode, 0, fds)
            with open(target, encoding="utf-8") as f:
                json.load(f)
            os.remove(target)
            r = subprocess.run([PROGRAM, "no-such-model"], env=environment(), preexec_fn=close_them, timeout=60, stderr=subprocess.DEVNULL)
            self.assertEqual(r.returncode, 2, fds)

    def test_messages_that_nobody_can_read(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            r = subprocess.run([PROGRAM, "no-such-model"], env=environment(), stderr=full, timeout=60)
        self.assertEqual(r.returncode, 2)

    def test_a_pipe_that_closes(self):
        for fmt in ("table", "json", "csv"):
            child = subprocess.Popen([PROGRAM, "--family", "llama", "--hardware", MACHINE, "--format", fmt], env=environment(), stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
            child.stdout.close()
            self.assertEqual(child.stderr.read(), b"")
            child.stderr.close()
            self.assertEqual(child.wait(), 0)

    def test_interrupted_by_a_person(self):
        """A signal ends it as signals do, and a file that was being written is not there."""
        child = subprocess.Popen([PROGRAM, "--hardware", "-", "llama-2-7b", "-o", os.path.join(self.out, "x")], env=environment(),
                                 stdin=subprocess.PIPE)
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(), -signal.SIGINT)
        child.stdin.close()
        self.assertEqual(os.listdir(self.out), [])

    def test_every_prefix_of_a_model_file(self):
        """A file that was cut off is an error wherever the cut is."""
        with open(GGUF, "rb") as f:
            whole = f.read()
        cut = os.path.join(self.folder, "cut.gguf")
        for size in range(0, len(whole), 211 if SANITIZED else 71):
            with open(cut, "wb") as f:
                f.write(whole[:size])
            r = run(cut, "--hardware", MACHINE)
            self.check_end(r, (2,))
        with open(cut, "wb") as f:
            f.write(whole[:4] + struct.pack("<IQQ", 3, 1 << 60, 1 << 60))
        self.check_end(run(cut), (2,))


if __name__ == "__main__":
    unittest.main()
