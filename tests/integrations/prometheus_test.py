"""Metrics through the real node_exporter and Prometheus; rules and metrics as promtool sees them."""
import json
import os
import re
import subprocess
import unittest
import urllib.parse
import urllib.request

from program import INTEGRATIONS, PROFILES, PROGRAM, Integration, free_port

FOLDER = os.path.join(INTEGRATIONS, "prometheus")


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as r:
        return r.read().decode()


class Prometheus(Integration):
    def metrics(self):
        self.env["CANIRUN_SYSROOT"] = "/"
        return subprocess.run([PROGRAM, "llama-3.1-8b", "llama-3.3-70b", "--hardware", os.path.join(PROFILES, "desktop-rtx4090-64g.json"), "--format", "prometheus"],
                              env=self.env, text=True, capture_output=True, check=True).stdout

    def test_promtool_finds_nothing_wrong_with_the_metrics(self):
        r = subprocess.run(["promtool", "check", "metrics"], input=self.metrics(), text=True, capture_output=True)
        self.assertEqual((r.returncode, r.stderr), (0, ""), r.stdout + r.stderr)

    def test_promtool_accepts_the_rules_and_they_fire(self):
        print(self.run_ok("promtool", "check", "rules", os.path.join(FOLDER, "alerts.yml")))
        print(self.run_ok("promtool", "test", "rules", os.path.join(FOLDER, "alerts_test.yml")))

    def test_node_exporter_serves_them_and_prometheus_stores_them(self):
        textfiles = self.path("textfiles")
        os.mkdir(textfiles)
        self.run_ok(os.path.join(FOLDER, "canirun-textfile.sh"), textfiles, "llama-3.1-8b")
        self.assertEqual(os.listdir(textfiles), ["canirun.prom"])
        exporter, server = free_port(), free_port()
        self.service("/usr/bin/prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{exporter}", f"--collector.textfile.directory={textfiles}",
                     "--collector.disable-defaults", "--collector.textfile")
        text = self.eventually(lambda: get(exporter, "/metrics"))
        self.assertIn("node_textfile_scrape_error 0", text)
        self.assertRegex(text, r'canirun_model_grade\{model="llama-3.1-8b",quant="\w+"\} \d')
        print("\n".join(line for line in text.splitlines() if line.startswith("canirun_")))

        config = self.write("prometheus.yml", f"""global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{FOLDER}/alerts.yml]
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
""")
        self.run_ok("promtool", "check", "config", config)
        self.service("/usr/bin/prometheus", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{server}", f"--storage.tsdb.path={self.path('data')}")

        def query(expression):
            answer = json.loads(get(server, "/api/v1/query?" + urllib.parse.urlencode({"query": expression})))
            return answer["data"]["result"]

        found = self.eventually(lambda: query("canirun_model_grade"))
        self.assertEqual(found[0]["metric"]["model"], "llama-3.1-8b")
        self.assertEqual(query("canirun_probe_healthy")[0]["value"][1], "1")
        groups = json.loads(get(server, "/api/v1/rules"))["data"]["groups"]
        self.assertEqual([(r["name"], r["health"]) for g in groups for r in g["rules"] if r["health"] not in ("ok", "unknown")], [])

        # Every query of the dashboard is one that Prometheus understands, and its variables are metrics that exist.
        with open(os.path.join(FOLDER, "dashboard.json"), encoding="utf-8") as f:
            dashboard = json.load(f)
        expressions = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
        self.assertGreater(len(expressions), 7)
        for expression in expressions:
            query(re.sub(r"\$\w+", ".*", expression))
        for variable in dashboard["templating"]["list"]:
            metric = re.match(r"label_values\((\w+),", variable.get("definition", ""))
            if metric:
                self.assertTrue(query(metric.group(1)), metric.group(1))


if __name__ == "__main__":
    unittest.main()
