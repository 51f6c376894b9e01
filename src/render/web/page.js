/* Makes tables sortable and filterable (DataTables) and draws memory per device (Chart.js). The page reads without it. */
(function () {
  "use strict";

  /* "At least this grade" beside the text filter; rows say their grade in data-grade. */
  jQuery.fn.dataTable.ext.search.push(function (settings, _cells, index) {
    var least = Number(jQuery(settings.nTableWrapper).find("select.least").val() || -1);
    var grade = settings.aoData[index].nTr.dataset.grade;
    return grade === undefined || Number(grade) >= least;
  });
  jQuery("table.sortable").each(function () {
    var table = jQuery(this).DataTable({
      paging: false, autoWidth: false,
      order: [],
      language: { search: "Filter", info: "_TOTAL_ rows", infoFiltered: "of _MAX_", infoEmpty: "0 rows", zeroRecords: "No row matches" }
    });
    if (!this.querySelector("tr[data-grade]")) return;
    var select = jQuery("<select class='least'>").append("<option value='-1'>any</option>");
    ["D", "C", "B", "A", "S"].forEach(function (letter, i) { select.append(jQuery("<option>").val(i + 1).text(letter)); });
    select.on("change", function () { table.draw(); });
    jQuery(table.table().container()).find(".dataTables_filter").append(jQuery("<label>Grade at least </label>").append(select));
  });

  var data = JSON.parse(document.getElementById("memory").textContent);
  var colours = ["#3b7dd8", "#d88a3b", "#b8a12a", "#3ba17d", "#8a6fc9", "#c96f9b", "#8b949e"];
  var charts = data.devices.map(function (device, index) {
    return new Chart(document.getElementById("chart-" + index), {
      type: "bar",
      data: {
        labels: device.labels,
        datasets: data.parts.map(function (part, i) {
          return { label: part, backgroundColor: colours[i], data: device.rows.map(function (row) { return row[i]; }) };
        }).filter(function (set) { return set.data.some(function (v) { return v > 0; }); })
      },
      options: {
        indexAxis: "y", animation: false, responsive: true, maintainAspectRatio: false,
        scales: { x: { stacked: true, title: { display: true, text: "GiB" } }, y: { stacked: true, ticks: { autoSkip: false } } },
        plugins: { tooltip: { callbacks: { label: function (item) { return item.dataset.label + ": " + item.raw.toFixed(2) + " GiB"; } } } }
      },
      plugins: [{
        /* A line where the device is full. */
        id: "budget",
        afterDatasetsDraw: function (chart) {
          var x = chart.scales.x.getPixelForValue(device.budget), area = chart.chartArea;
          if (x > area.right) return;
          chart.ctx.save();
          chart.ctx.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--f").trim();
          chart.ctx.setLineDash([5, 4]);
          chart.ctx.beginPath();
          chart.ctx.moveTo(x, area.top);
          chart.ctx.lineTo(x, area.bottom);
          chart.ctx.stroke();
          chart.ctx.restore();
        }
      }]
    });
  });
  function paint() {
    var style = getComputedStyle(document.documentElement);
    var ink = style.getPropertyValue("--soft").trim(), line = style.getPropertyValue("--line").trim();
    charts.forEach(function (chart) {
      ["x", "y"].forEach(function (axis) {
        chart.options.scales[axis].ticks.color = ink;
        chart.options.scales[axis].grid = { color: line };
      });
      chart.options.scales.x.title.color = ink;
      chart.options.plugins.legend = { labels: { color: ink } };
      chart.resize();
      chart.update();
    });
  }
  paint();
  ["(prefers-color-scheme: dark)", "print"].forEach(function (query) { window.matchMedia(query).addEventListener("change", paint); });
})();
