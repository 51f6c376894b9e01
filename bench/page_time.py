#!/usr/bin/python3
"""How long headless Chromium takes to open the page of the whole catalogue. usage: bench/page_time.py [PROGRAM] [RUNS]

Prints the median of the wall time until the load event has ended and of the main thread's own processor time, which other programs of
the machine do not lengthen."""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]


def main(program=os.path.join(TOP, "build", "release", "canirun"), runs="5"):
    with tempfile.TemporaryDirectory() as folder:
        page = os.path.join(folder, "page.html")
        machine = os.path.join(TOP, "tests", "fixtures", "profiles", "desktop-rtx4090-64g.json")
        subprocess.run([program, "--all", "--hardware", machine, "--format", "html", "-o", page], check=True)
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in [*FLAGS, f"--user-data-dir={folder}/browser"]:
            options.add_argument(flag)
        browser = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        wall, processor = [], []
        for _ in range(int(runs)):
            browser.get("about:blank")
            browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
            browser.get(f"file://{page}")
            wall.append(browser.execute_script("const t = performance.timing; return t.loadEventEnd - t.navigationStart"))
            metrics = {m["name"]: m["value"] for m in browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
            processor.append(metrics["TaskDuration"] * 1000)
            browser.execute_cdp_cmd("Performance.disable", {})
        rows = browser.execute_script("return document.querySelectorAll('table.sortable tbody tr').length")
        browser.quit()
        print(f"{rows} models, {os.path.getsize(page) / 1024:.0f} KiB: opened in {statistics.median(wall):.0f} ms, "
              f"main thread {statistics.median(processor):.0f} ms ({runs} runs)")


if __name__ == "__main__":
    main(*sys.argv[1:])
