"use strict";
// What the pages do beside htmx: charts, copying, marking runs to compare, and saying whether the page is live. Loaded
// before htmx, so that it hears the first stream begin.
(() => {
  const QUIET_MS = 1000; // least time between two drawings of the charts
  const REFRESH_MS = 3000; // of the list of runs
  const REPORT_MS = 4000; // after a step, until the report below it is read again
  const NARROW = 480; // pixels across a chart below which the names in its legend stand below each other
  const RETRY_MS = 1500; // of a stream that never began

  // --- charts ---

  const OPTIONS = {
    actions: false,
    ast: true, // drawn without making code from text
    defaultStyle: false,
    renderer: "svg",
    tooltip: { disableDefaultStyle: true },
  };
  let drawn = new Map();
  const wanted = new Map(); // charts that are drawn when they come into view: each takes a tenth of a second

  const put = async (place, chart) => {
    wanted.delete(place);
    const before = drawn.get(place);
    const said = JSON.stringify(chart.spec);
    if (before && before.said === said) return;
    if (place.clientWidth < NARROW) chart.spec.config.legend.columns = 1;
    const made = await window.vegaEmbed(place, chart.spec, OPTIONS);
    if (before) before.made.finalize();
    drawn.set(place, { made, said });
  };

  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      if (wanted.has(target)) put(target, wanted.get(target));
    }
  }, { rootMargin: "300px" });

  const putAll = () => {
    for (const [place, chart] of [...wanted]) put(place, chart);
  };

  const draw = async (area) => {
    const answer = await fetch(area.dataset.charts);
    if (!answer.ok) return;
    for (const chart of (await answer.json()).charts) {
      const place = area.querySelector(`[data-chart="${CSS.escape(chart.name)}"]`);
      if (!place) continue;
      place.setAttribute("role", "img");
      place.setAttribute("aria-label", `${chart.title}. ${chart.summary}`);
      wanted.set(place, chart);
      seen.unobserve(place);
      seen.observe(place);
    }
    for (const place of wanted.keys()) if (!place.isConnected) wanted.delete(place);
    drawn = new Map([...drawn].filter(([place]) => place.isConnected));
  };

  let drawing = false;
  let drawAgain = false;
  const drawAll = async () => {
    if (!window.vegaEmbed) return;
    if (drawing) {
      drawAgain = true;
      return;
    }
    drawing = true;
    try {
      for (const area of document.querySelectorAll("[data-charts]")) await draw(area);
    } catch {
      // The server went away; the next step draws again.
    }
    window.setTimeout(() => {
      drawing = false;
      if (drawAgain) {
        drawAgain = false;
        drawAll();
      }
    }, QUIET_MS);
  };

  // --- copying ---

  const showCopyButtons = () => {
    for (const button of document.querySelectorAll("button[data-copy][hidden]")) button.hidden = false;
  };

  const marked = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy");
  };

  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    const label = button.firstChild;
    if (!source || !label) return;
    let done = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      done = marked(source); // pages that are not on this machine have no clipboard
    }
    button.setAttribute("aria-live", "polite");
    label.data = done ? "Copied" : "Marked: press Ctrl+C";
    window.setTimeout(() => { label.data = "Copy"; }, 2000);
  };

  // --- the list of runs ---

  const boxes = () => [...document.querySelectorAll("#runs input[name=run]:checked")];

  const countMarked = () => {
    const button = document.querySelector("button[data-compare]");
    if (!button) return;
    const count = boxes().length;
    button.disabled = count < 2 || count > Number(button.dataset.compare);
  };

  const refreshRuns = () => {
    const list = document.getElementById("runs");
    if (!list || document.hidden || boxes().length || list.contains(document.activeElement)) return;
    if (!window.getSelection().isCollapsed) return;
    window.htmx.trigger(list, "refresh");
  };

  // --- a run that goes ---

  const say = (text) => {
    const place = document.getElementById("connection");
    if (place && place.textContent !== text) place.textContent = text;
  };

  const refreshReport = () => {
    const report = document.getElementById("report");
    if (report) window.htmx.trigger(report, "refresh");
  };

  // While the run goes, only where nobody reads: what is open or marked stays as it is until the run ends.
  let waiting = false;
  const refreshSometimes = () => {
    if (waiting) return;
    waiting = true;
    window.setTimeout(() => {
      waiting = false;
      const report = document.getElementById("report");
      const open = report && report.querySelector("details[open]");
      if (report && !open && window.getSelection().isCollapsed && !report.contains(document.activeElement)) refreshReport();
    }, REPORT_MS);
  };

  const later = (live) => window.setTimeout(() => { if (live.isConnected) window.htmx.trigger(live, "retry"); }, RETRY_MS);

  const isLive = (event) => event.target instanceof Element && event.target.id === "live";

  // Of a run that does not go there is nothing to say; it may be resumed, so that the page stays connected.
  let connected = false;
  const sayConnected = () => {
    if (connected) say(document.querySelector("#standing .state-running") ? "connected" : "");
  };
  for (const name of ["htmx:sse:after:connection", "htmx:sse:after:message"]) {
    document.addEventListener(name, () => {
      connected = true;
      sayConnected();
    });
  }
  document.addEventListener("htmx:sse:error", () => {
    connected = false;
    say("connection lost, trying again");
  });
  for (const name of ["htmx:error", "htmx:response:error"]) {
    document.addEventListener(name, (event) => {
      if (!isLive(event)) return;
      connected = false;
      say("no connection, trying again");
      later(event.target);
    });
  }
  document.addEventListener("stepped", () => {
    drawAll();
    refreshSometimes();
  });
  document.addEventListener("ended", refreshReport);

  // --- everything ---

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button[data-copy]") : null;
    if (button) copy(button);
  });
  window.addEventListener("beforeprint", putAll);
  document.addEventListener("change", countMarked);
  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("q");
    if (event.key !== "/" || !search || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest("input, textarea, select")) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
  document.addEventListener("htmx:after:swap", () => {
    showCopyButtons();
    countMarked();
    sayConnected();
    if ([...document.querySelectorAll("[data-chart]")].some((place) => !drawn.has(place) && !wanted.has(place))) drawAll();
  });
  document.addEventListener("DOMContentLoaded", () => {
    showCopyButtons();
    countMarked();
    drawAll();
    window.setInterval(refreshRuns, REFRESH_MS);
  });
})();
