"use strict";
// The page is complete without this file, which adds charts, filters and themes.

const $ = (id) => document.getElementById(id);
const data = (id) => ($(id) ? JSON.parse($(id).textContent) : []);
const charts = [];

// Return a colour of the stylesheet, resolved for the current theme.
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const CATEGORIES = [
  "#4c78a8", "#d1495b", "#2e7d4f", "#b7791f", "#7b5ea7", "#0e8a94", "#9d5c3f", "#c2569b", "#6b7280",
];
const category = (i) => CATEGORIES[i % CATEGORIES.length];
const short = (x) => {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (x >= size) return `${Number((x / size).toPrecision(3))} ${unit}`;
  }
  return String(Number(x.toPrecision(3)));
};

function axis(title, type, text = (x) => x) {
  const power = (x) => [1, 2, 5].some(
    (n) => Math.abs(x / 10 ** Math.floor(Math.log10(x) + 1e-9) - n) < 1e-6);
  return {
    type,
    title: { display: true, text: title, color: colour("ink") },
    grid: { color: colour("line") },
    ticks: {
      color: colour("ink"),
      callback: (x) => (type !== "logarithmic" || power(x) ? text(x) : null),
    },
  };
}

function legend(click) {
  return {
    position: "bottom",
    labels: { color: colour("ink"), usePointStyle: true, boxHeight: 7 },
    ...(click ? { onClick: click } : {}),
  };
}

// Draws names beside the points of a chart, where there is room.
const names = {
  id: "names",
  afterDatasetsDraw(chart) {
    const { ctx, chartArea } = chart;
    const points = chart.getSortedVisibleDatasetMetas().flatMap((meta) => meta.data.map(
      ({ x, y }, i) => ({ ...chart.data.datasets[meta.index].data[i], x, y })));
    const taken = points.map(({ x, y, r }) => [x - r, y - r, x + r, y + r]);
    ctx.save();
    ctx.font = "12px system-ui, sans-serif";
    ctx.fillStyle = colour("ink");
    ctx.textBaseline = "middle";
    for (const { x, y, r, point } of points) {
      const width = ctx.measureText(point.network).width;
      const places = [
        [x + r + 4, y], [x - r - 4 - width, y], [x - width / 2, y - r - 9], [x - width / 2, y + r + 9],
      ];
      for (const [left, middle] of places) {
        const [right, top, bottom] = [left + width, middle - 6, middle + 6];
        const inside = left > chartArea.left && right < chartArea.right
          && top > chartArea.top && bottom < chartArea.bottom;
        const free = taken.every(
          ([l, t, r, b]) => r < left || l > right || b < top || t > bottom);
        if (inside && free) {
          ctx.fillText(point.network, left, middle);
          taken.push([left, top, right, bottom]);
          break;
        }
      }
    }
    ctx.restore();
  },
};

// Redraws a chart when a control or the theme changes.
function keep(canvas, make) {
  let chart = null;
  const draw = () => {
    if (chart) chart.destroy();
    chart = new Chart(canvas, make());
  };
  charts.push(draw);
  draw();
  return draw;
}

function fill(select, values) {
  select.replaceChildren(...values.map(([value, text]) => new Option(text, value)));
}

function networkPlot() {
  const points = data("plot-data");
  if (!points.length) return;
  const papers = [...new Set(points.map((p) => p.paper))];
  const hidden = new Set();
  const [dataset, protocol, x, y] = ["dataset", "protocol", "x", "y"].map((n) => $(`plot-${n}`));
  const there = new Set(points.map((p) => p.dataset));
  const order = ["imagenet2012", "cifar10", "mnist"].filter((d) => there.has(d));
  fill(dataset, order.map((d) => [d, d]));

  const chosen = () => points.filter((p) => p.dataset === dataset.value && p[y.value] !== null);
  function protocols() {
    const names = [...new Set(chosen().map((p) => p.protocol))];
    const labels = names.map((n) => [n, n.replaceAll("_", " ")]);
    fill(protocol, [["", "any, the lowest error"], ...labels]);
  }
  function shown() {
    if (protocol.value) return chosen().filter((p) => p.protocol === protocol.value);
    const best = new Map();
    for (const p of chosen()) {
      if (!best.has(p.network) || p[y.value] < best.get(p.network)[y.value]) best.set(p.network, p);
    }
    return [...best.values()];
  }
  function make() {
    const [across, up] = [x.value, y.value];
    const area = across === "macs" ? "parameters" : "macs";
    $("plot-area").textContent = area === "macs" ? "multiply-adds" : "parameters";
    const found = shown();
    const most = Math.max(...found.map((p) => p[area]));
    const datasets = papers.map((paper, i) => ({
      label: paper,
      hidden: hidden.has(paper),
      backgroundColor: `${category(i)}b0`,
      borderColor: colour("ink"),
      borderWidth: 1,
      hoverBorderWidth: 3,
      data: found.filter((p) => p.paper === paper).map((p) => ({
        x: p[across], y: p[up], r: 4 + 20 * Math.sqrt(p[area] / most), point: p,
      })),
    })).filter((d) => d.data.length);
    return {
      type: "bubble",
      data: { datasets },
      plugins: [names],
      options: {
        maintainAspectRatio: false,
        animation: false,
        scales: {
          x: {
            ...axis(across === "macs" ? "multiply-adds" : "parameters", "logarithmic", short),
            min: 0.75 * Math.min(...found.map((p) => p[across])),
            max: 1.5 * Math.max(...found.map((p) => p[across])),
          },
          y: { ...axis(`${up === "top1" ? "top-1" : "top-5"} error, %`, "linear"), grace: "8%" },
        },
        onClick: (_, items, chart) => {
          if (items.length) {
            const { datasetIndex, index } = items[0];
            open(chart.data.datasets[datasetIndex].data[index].point.network);
          }
        },
        plugins: {
          legend: legend((event, item, box) => {
            const paper = item.text;
            hidden.has(paper) ? hidden.delete(paper) : hidden.add(paper);
            box.chart.setDatasetVisibility(item.datasetIndex, !hidden.has(paper));
            box.chart.update();
          }),
          tooltip: {
            callbacks: {
              label: ({ raw: { point: p } }) => [
                `${p.network} (${p.label})`,
                `${p[up]} % error, ${p.protocol.replaceAll("_", " ")}, ${p.split}`,
                `${short(p.macs)} multiply-adds, ${short(p.parameters)} parameters`,
                p.source,
              ],
            },
          },
        },
      },
    };
  }
  const open = (name) => { location.hash = name; };
  protocols();
  for (const id of ["plot-controls", "plot-canvas", "plot-hint"]) $(id).hidden = false;
  const draw = keep($("plot"), make);
  x.addEventListener("change", draw);
  protocol.addEventListener("change", draw);
  for (const control of [dataset, y]) {
    control.addEventListener("change", () => {
      if (control === dataset && !chosen().length) y.value = "top1";
      protocols();
      draw();
    });
  }
}

function runCurves() {
  const runs = data("curve-data");
  if (!runs.length) return;
  const [what, split, log] = ["what", "split", "log"].map((name) => $(`curve-${name}`));
  function make() {
    const column = Number(what.value);
    return {
      type: "line",
      data: {
        datasets: runs.map((run, i) => ({
          label: run.name,
          borderColor: category(i),
          backgroundColor: category(i),
          borderWidth: 2,
          pointRadius: run[split.value].length > 30 ? 0 : 3,
          data: run[split.value].map((line) => ({ x: line[0], y: line[column] }))
            .filter((p) => !log.checked || p.y > 0),
        })),
      },
      options: {
        maintainAspectRatio: false,
        animation: false,
        interaction: { mode: "nearest", intersect: false },
        scales: {
          x: axis("step", "linear", short),
          y: axis(what.selectedOptions[0].textContent, log.checked ? "logarithmic" : "linear"),
        },
        plugins: { legend: legend() },
      },
    };
  }
  for (const id of ["curve-controls", "curve-canvas"]) $(id).hidden = false;
  const draw = keep($("curves"), make);
  for (const control of [what, split, log]) control.addEventListener("change", draw);
}

function claimFilters() {
  const table = $("claim-table");
  if (!table) return;
  const [slide, verdict, words] = ["slide", "verdict", "words"].map((name) => $(`claim-${name}`));
  const rows = [...table.tBodies[0].rows];
  function filter() {
    const wanted = words.value.toLowerCase();
    let count = 0;
    for (const row of rows) {
      const fits = (!slide.value || row.dataset.slide === slide.value)
        && (!verdict.value || row.dataset.verdict === verdict.value)
        && row.textContent.toLowerCase().includes(wanted);
      row.hidden = !fits;
      count += fits;
    }
    $("claim-count").textContent = `${count} of ${rows.length} claims`;
  }
  $("claim-controls").hidden = false;
  for (const control of [slide, verdict]) control.addEventListener("change", filter);
  words.addEventListener("input", filter);
}

// Unfolds the target of a link.
function unfold() {
  let element = location.hash ? $(decodeURIComponent(location.hash.slice(1))) : null;
  const target = element;
  for (; element; element = element.parentElement) {
    if (element.tagName === "DETAILS") element.open = true;
  }
  if (target) target.scrollIntoView();
}

// Scrolls a wide drawing to its axis.
function drawings() {
  for (const frame of document.querySelectorAll(".drawing")) {
    const centre = () => {
      frame.scrollLeft = frame.firstElementChild.dataset.axis - frame.clientWidth / 2;
    };
    frame.closest("details").addEventListener("toggle", centre, { once: true });
    centre();
  }
}

function animations() {
  for (const link of document.querySelectorAll(".play")) {
    const image = link.previousElementSibling;
    const still = image.getAttribute("src");
    link.setAttribute("role", "button");
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const playing = image.getAttribute("src") !== still;
      image.src = playing ? still : image.dataset.moving;
      link.textContent = playing ? "Play the animation" : "Stop the animation";
    });
  }
}

function theme() {
  const names = ["system", "light", "dark"];
  const button = $("theme");
  const root = document.documentElement;
  let stored = null;
  try { stored = localStorage.getItem("theme"); } catch { /* not every browser keeps it for files */ }
  let at = Math.max(0, names.indexOf(stored));
  function apply() {
    if (at) root.dataset.theme = names[at];
    else delete root.dataset.theme;
    button.textContent = `Theme: ${names[at]}`;
    for (const draw of charts) draw();
  }
  button.hidden = false;
  button.addEventListener("click", () => {
    at = (at + 1) % names.length;
    try { localStorage.setItem("theme", names[at]); } catch { /* as above */ }
    apply();
  });
  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  addEventListener("beforeprint", () => {  // paper is light
    root.dataset.theme = "light";
    for (const draw of charts) draw();
  });
  addEventListener("afterprint", apply);
}

theme();
networkPlot();
runCurves();
claimFilters();
drawings();
animations();
addEventListener("hashchange", unfold);
unfold();
document.documentElement.dataset.ready = "true";
