"""The manifests against the published schemas of Kubernetes, offline (npm: kubernetes-models), and the labels they select by."""
import copy
import json
import os
import re
import subprocess
import unittest

import yaml

from program import INTEGRATIONS, PROFILES, PROGRAM, TOP, Integration

FOLDER = os.path.join(INTEGRATIONS, "kubernetes")
MODULES = os.environ.get("CANIRUN_NODE_MODULES", os.path.join(TOP, "build", "npm"))


def load(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
        return list(yaml.safe_load_all(f))


def labels(machine):
    text = subprocess.run([PROGRAM, "llama-3.1-8b", "--hardware", os.path.join(PROFILES, machine + ".json"), "--format", "nfd"],
                          text=True, capture_output=True, check=True).stdout
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))


def matches(expression, of):
    """A node selector requirement as the scheduler reads it."""
    value = of.get(expression["key"])
    return {"In": lambda: value in expression["values"], "Gt": lambda: value is not None and int(value) > int(expression["values"][0])}[expression["operator"]]()


class Kubernetes(Integration):
    def refused(self, objects):
        r = subprocess.run(["node", os.path.join(TOP, "tests", "integrations", "validate.mjs"), MODULES], input=json.dumps(objects), text=True, capture_output=True)
        self.assertIn(r.returncode, (0, 1), r.stderr)
        self.assertEqual(r.stderr, "")
        return r.stdout

    def test_every_manifest_follows_its_schema(self):
        kustomization = load("kustomization.yaml")[0]
        objects = [o for name in kustomization["resources"] for o in load(name)] + load("example-pod.yaml")
        self.assertEqual(sorted(o["kind"] for o in objects), ["DaemonSet", "Namespace", "Pod"])
        self.assertEqual(self.refused(objects), "")
        broken = copy.deepcopy(objects)
        for o in broken:
            if o["kind"] == "DaemonSet":
                del o["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["mountPath"]
            if o["kind"] == "Pod":
                o["spec"]["nodeSelector"] = ["not a map"]
        self.assertEqual(len(self.refused(broken).splitlines()), 2)
        daemon = next(o for o in objects if o["kind"] == "DaemonSet")
        images = {c["image"].split(":")[0] for c in daemon["spec"]["template"]["spec"]["containers"]}
        self.assertEqual({i["name"] for i in kustomization["images"]}, images)

    def test_the_daemon_writes_the_feature_file_that_the_worker_reads(self):
        daemon = load("daemonset.yaml")[0]
        spec = daemon["spec"]["template"]["spec"]
        container = spec["containers"][0]
        # The loop once, in a shell as the container runs it: with the folder and the models of the manifest.
        models = next(e["value"] for e in container["env"] if e["name"] == "CANIRUN_MODELS")
        script = container["args"][0].replace("$(CANIRUN_MODELS)", models).replace("/features.d", self.path("features.d")).replace("canirun " + models, f"{PROGRAM} {models}")
        self.assertIn("sleep 3600", script)
        os.mkdir(self.path("features.d"))
        self.run_ok("sh", "-c", script.replace("while :; do", "for once in 1; do").replace("sleep 3600 & wait $!", ":"))
        self.assertEqual(os.listdir(self.path("features.d")), ["canirun"])
        with open(self.path("features.d", "canirun"), encoding="utf-8") as f:
            text = f.read()
        print(text)
        for model in models.split():
            self.assertRegex(text, rf"(?m)^canirun\.io/{re.escape(model)}=[SABCDF]$")
        mount = container["volumeMounts"][0]
        volume = next(v for v in spec["volumes"] if v["name"] == mount["name"])
        self.assertEqual((mount["mountPath"], volume["hostPath"]["path"]), ("/features.d", "/etc/kubernetes/node-feature-discovery/features.d"))

    def test_the_example_lands_on_the_right_nodes(self):
        pod = load("example-pod.yaml")[0]["spec"]
        affinity = pod["affinity"]["nodeAffinity"]
        required = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        preferred = affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["preference"]["matchExpressions"]

        def fits(of):
            return all(of.get(k) == v for k, v in pod["nodeSelector"].items()) and any(all(matches(e, of) for e in term["matchExpressions"]) for term in required)

        self.assertTrue(fits(labels("desktop-rtx3060-12g")))
        self.assertTrue(fits(labels("desktop-rtx4090-64g")))
        self.assertFalse(fits(labels("vm-no-gpu")))
        self.assertTrue(all(matches(e, labels("desktop-rtx4090-64g")) for e in preferred))
        self.assertFalse(all(matches(e, labels("desktop-rtx3060-12g")) for e in preferred))


if __name__ == "__main__":
    unittest.main()
