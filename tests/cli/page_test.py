"""The page in a real browser (headless Chromium): sorts, filters, follows dark mode and print, asks nobody, complains about nothing."""
import json
import os
import shutil
import tempfile
import unittest

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from program import MACHINE, PROFILES, run

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1200,1000"]


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in [*FLAGS, f"--user-data-dir={cls.folder}/browser"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        cls.browser = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def open(self, *arguments, **keywords):
        page = os.path.join(self.folder, "page.html")
        r = run(*arguments, "--format", "html", "-o", page, **keywords)
        self.assertIn(r.returncode, (0, 1), r.stderr)
        self.browser.get_log("performance")
        self.browser.get(f"file://{page}")

    def tearDown(self):
        """Whatever a test did: no message in the console, no request but for the page itself."""
        self.assertEqual(self.browser.get_log("browser"), [])
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        asked = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        # The browser's own start page asks for its pictures whenever it likes.
        urls = {p["request"]["url"] for p in asked if p["documentURL"].startswith("file://")}
        self.assertEqual({u for u in urls if not u.startswith(("file://" + self.folder, "data:"))}, set())

    def column(self, number, table="table.sortable"):
        return self.texts(f"{table} tbody tr td:nth-child({number})")

    def texts(self, selector):
        return self.browser.execute_script("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector)

    def media(self, **features):
        kind = features.pop("media", "")
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "media": kind, "features": [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]})

    def style(self, selector, name):
        return self.browser.find_element(By.CSS_SELECTOR, selector).value_of_css_property(name)

    def test_headings_sort_by_the_figure_and_text_and_grade_filter(self):
        self.open("--family", "llama", "--family", "gemma3", "--family", "qwen3", "--hardware", MACHINE)
        heading = next(h for h in self.browser.find_elements(By.CSS_SELECTOR, "th") if h.text.startswith("Parameters"))
        for direction in ("ascending", "descending"):
            heading.click()
            self.assertEqual(heading.get_attribute("aria-sort"), direction)
            unit = {"M": 1e6, "B": 1e9, "T": 1e12}
            sizes = [float(t[:-1]) * unit[t[-1]] for t in self.column(3) if t[-1] in unit and t[0].isdigit()]
            self.assertGreater(len(sizes), 50)
            self.assertEqual(sizes, sorted(sizes, reverse=direction == "descending"))
        everything = len(self.column(1))
        self.browser.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys("llama")
        names = self.column(1)
        self.assertTrue(names and all("llama" in n.lower() for n in names))
        Select(self.browser.find_element(By.CSS_SELECTOR, "select.least")).select_by_visible_text("A")
        grades = [t[0] for t in self.column(2)]
        self.assertTrue(0 < len(grades) < len(names) < everything)
        self.assertLessEqual(set(grades), {"S", "A"})

    def test_dark_and_light_follow_the_system_and_print_is_light(self):
        self.open("llama-3.1-8b", "--hardware", MACHINE)
        ticks = "return Chart.getChart('chart-0').options.scales.x.ticks.color"
        seen = {}
        for name, features in {"light": {"prefers_color_scheme": "light"}, "dark": {"prefers_color_scheme": "dark"},
                               "print": {"prefers_color_scheme": "dark", "media": "print"}}.items():
            self.media(**features)
            seen[name] = (self.style("body", "background-color"), self.style("body", "color"), self.browser.execute_script(ticks))
        self.media()
        self.assertEqual(seen["light"][0], "rgba(255, 255, 255, 1)")
        self.assertEqual(seen["print"][:2], ("rgba(255, 255, 255, 1)", "rgba(0, 0, 0, 1)"))
        self.assertNotEqual(seen["dark"][0], seen["light"][0])
        self.assertEqual(len({ticks for _, _, ticks in seen.values()}), 3)

    def test_one_model_has_its_bars_and_its_heat_map(self):
        self.open("llama-3.1-8b", "--hardware", MACHINE)
        drawn = self.browser.execute_script("return Chart.getChart('chart-0').data.datasets.map(d => [d.label, d.data.length])")
        self.assertEqual([label for label, _ in drawn], ["weights", "KV cache", "compute", "runtime"])
        rows = len(self.column(1))
        self.assertEqual({n for _, n in drawn}, {rows})
        cells = self.texts("table.heat td")
        columns = len(self.texts("table.heat thead th")) - 1
        self.assertEqual(len(cells), rows * columns)
        self.assertTrue(all(c[0] in "SABCDF" for c in cells))

    def test_machines_are_compared_side_by_side(self):
        profiles = [os.path.join(PROFILES, n) for n in sorted(os.listdir(PROFILES))[:3]]
        self.open("--task", "code", *[a for p in profiles for a in ("--hardware", p)])
        headings = self.texts("table.sortable th")
        self.assertEqual(headings[2:], [os.path.basename(p).removesuffix(".json") for p in profiles])
        self.assertEqual(len(self.browser.find_elements(By.CSS_SELECTOR, ".machines .card")), 3)

    def test_a_policy_shows_what_is_required_and_found(self):
        self.open("check", "llama-2-70b", "--min-speed", "1000", "--hardware", MACHINE)
        self.assertEqual(self.browser.find_element(By.CSS_SELECTOR, "td.fail").text, "FAIL")

    def test_markup_in_a_name_stays_text(self):
        with open(MACHINE, encoding="utf-8") as f:
            profile = json.load(f)
        evil = "<script>document.title='taken'</script><img src=http://example.invalid/x>"
        profile["gpus"][0]["name"] = evil
        catalogue = os.path.join(self.folder, "models.json")
        entry = json.loads(run("models", "show", "llama-2-7b", "--json").stdout)
        entry = entry.get("model", entry)
        entry["name"] = evil
        with open(catalogue, "w", encoding="utf-8") as f:
            json.dump({"schema": "canirun.models/1", "models": [entry]}, f)
        self.open(catalogue, "--hardware", "-", input=json.dumps(profile))
        self.assertEqual(self.browser.title, f"Can this machine run {evil}?")
        self.assertIn(evil, self.browser.find_element(By.CSS_SELECTOR, ".card").text)
        self.assertEqual(self.browser.find_elements(By.CSS_SELECTOR, "img"), [])

    def test_a_narrow_window_shows_the_grades_and_scrolls_the_tables_not_the_page(self):
        for arguments in (["llama-3.1-8b", "--hardware", MACHINE], ["--task", "code", "--hardware", MACHINE], ["fleet", PROFILES, "--model", "llama-3.1-8b"]):
            self.open(*arguments)
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True})
            wide, window, grade = self.browser.execute_script("""
              const grade = document.querySelector('table.sortable tbody :is(.grade, td.S, td.A, td.B, td.C)');
              return [document.documentElement.scrollWidth, window.innerWidth, grade.getBoundingClientRect().right]""")
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            self.assertLessEqual(wide, window, arguments)
            self.assertLessEqual(grade, window, arguments)

    def test_a_fleet_is_sorted_filtered_and_names_its_hosts(self):
        with open(MACHINE, encoding="utf-8") as f:
            profile = json.load(f)
        fleet = ["fleet", PROFILES, "--model", "llama-3.1-8b", "--model", "qwen3-32b", "--model", "llama-3.3-70b"]
        self.open(*fleet)
        self.assertEqual(self.texts("table.sortable:not(.fleet) thead th"), ["Class", "Machines", "Hardware"])
        grades = self.column(3, "table.fleet")
        self.assertTrue(all(g[0] in "SABCDF" for g in grades) and any("t/s" in g for g in grades), grades)
        heading = next(h for h in self.browser.find_elements(By.CSS_SELECTOR, "table.fleet thead th") if h.text == "c6")
        heading.click()
        order = [c[0] for c in self.column(8, "table.fleet")]
        self.assertEqual(order, sorted(order, key="FDCBAS".index))
        self.browser.find_elements(By.CSS_SELECTOR, "input[type=search]")[1].send_keys("qwen")
        self.assertEqual(self.texts("table.fleet tbody th"), ["Qwen3 32B"])
        profile["host"]["name"] = "node-17"
        path = os.path.join(self.folder, "named.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(profile, f)
        self.open(*fleet, path)
        self.assertIn("node-17", self.column(4, "table.sortable:not(.fleet)"))

    def test_what_is_heard_is_whole(self):
        self.open("llama-3.1-8b", "--hardware", MACHINE)
        unnamed = self.browser.execute_script("""
          return [...document.querySelectorAll('table,canvas,input,select')].filter(e =>
            !(e.querySelector('caption') || e.ariaLabel || (e.labels && e.labels.length))).map(e => e.outerHTML.slice(0, 80))""")
        self.assertEqual(unnamed, [])
        self.assertEqual(self.browser.find_element(By.CSS_SELECTOR, "html").get_attribute("lang"), "en")


if __name__ == "__main__":
    unittest.main()
