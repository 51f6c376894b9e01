/* Makes the tables sortable and filterable (DataTables) and draws memory per device (Chart.js). The page reads without it. */
(function () {
  "use strict";
  jQuery("table.sortable").each(function () {
    jQuery(this).DataTable({
      paging: false,
      order: [],
      language: { search: "Filter", info: "_TOTAL_ rows", infoFiltered: "of _MAX_", zeroRecords: "No row matches" }
    });
  });

  var data = JSON.parse(document.getElementById("memory").textContent);
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var parts = [
    ["weights", "#3b7dd8"], ["KV cache", "#d88a3b"], ["recurrent state", "#b8a12a"], ["compute", "#3ba17d"],
    ["output", "#8a6fc9"], ["projector", "#c96f9b"], ["overhead", "#8b949e"]
  ];
  var charts = data.map(function (device, index) {
    return new Chart(document.getElementById("chart-" + index), {
      type: "bar",
      data: {
        labels: device.labels,
        datasets: parts.map(function (part, i) {
          return { label: part[0], backgroundColor: part[1], data: device.rows.map(function (row) { return row[i]; }) };
        }).filter(function (set) { return set.data.some(function (v) { return v > 0; }); })
      },
      options: {
        indexAxis: "y", animation: false, responsive: true, maintainAspectRatio: false,
        scales: { x: { stacked: true, title: { display: true, text: "GiB" } }, y: { stacked: true } },
        plugins: { tooltip: { callbacks: { label: function (item) { return item.dataset.label + ": " + item.raw.toFixed(2) + " GiB"; } } } }
      }
    });
  });
  function paint() {
    var style = getComputedStyle(document.documentElement);
    Chart.defaults.color = style.getPropertyValue("--soft").trim();
    Chart.defaults.borderColor = style.getPropertyValue("--line").trim();
    charts.forEach(function (chart) {
      ["x", "y"].forEach(function (axis) {
        chart.options.scales[axis].ticks = { color: Chart.defaults.color };
        chart.options.scales[axis].grid = { color: Chart.defaults.borderColor };
      });
      chart.options.plugins.legend = { labels: { color: Chart.defaults.color } };
      chart.update();
    });
  }
  paint();
  dark.addEventListener("change", paint);
})();
