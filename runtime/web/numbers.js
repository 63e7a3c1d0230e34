// The page's numbers, plots and tables.

import { drawPlot } from "./plots.js";

const SPAN = 120; // seconds that are plotted
const FATES = {
  shown: "shown", dropped: "sensor drops", stale: "stale", corrupt: "corrupt",
  under_way: "under way",
};
const get = (id) => document.getElementById(id);

function make(tag, words = "", style = "") {
  const element = document.createElement(tag);
  element.textContent = words;
  if (style) element.className = style;
  return element;
}

function row(cells) {
  const line = document.createElement("tr");
  line.append(...cells);
  return line;
}

function duration(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
}

function setNumber(id, value, unit) {
  get(id).replaceChildren(value, " ", make("small", unit));
}

function drawState(status) {
  const fresh = status && status.since_last_s !== null && status.since_last_s < 2;
  const live = status?.state === "live";
  const words = !status ? "not connected" : live && !fresh ? "no frames" : status.state;
  const old = status && !fresh && status.since_last_s !== null;
  get("state").textContent = old ? `${words} for ${duration(status.since_last_s)}` : words;
  get("state").className = `pill ${live && fresh ? "up" : "down"}`;
  get("canvas").classList.toggle("old", !fresh); // a picture that stands must not look live
}

function drawPlots({ history, uptime_s }) {
  const now = Math.floor(uptime_s);
  const first = Math.max(0, now - SPAN);
  const byNumber = new Map(history.map((second) => [second[0], second]));
  const seconds = Array.from({ length: now - first }, (_, place) => byNumber.get(first + place));
  const column = (place, none) => seconds.map((second) => (second ? second[place] : none));
  drawPlot(get("rate"), [{ values: column(1, 0), style: "cool", area: true }], SPAN,
    "Masks a second over the last two minutes");
  drawPlot(get("age"), [
    { values: column(3, null), style: "hot" },
    { values: column(2, null), style: "cool", area: true },
  ], SPAN, "Mean and largest age of masks over the last two minutes, milliseconds");
}

function drawLedger(ledger) {
  const of = Math.max(1, ledger.captured);
  const lines = Object.entries(FATES).map(([name, words]) => {
    const head = make("th");
    head.append(make("i", "", name), words);
    const percent = (100 * ledger[name]) / of;
    const told = percent > 0 && percent < 0.1 ? "< 0.1 %" : `${percent.toFixed(1)} %`;
    return row([head, make("td", ledger[name].toLocaleString("en")), make("td", told)]);
  });
  const all = [make("th", "captured"), make("td", ledger.captured.toLocaleString("en"))];
  get("ledger").replaceChildren(row([...all, make("td")]), ...lines);
  get("share").replaceChildren(...Object.keys(FATES).map((name) => {
    const part = make("i", "", name);
    part.style.flexGrow = ledger[name] / of;
    return part;
  }));
}

function table(id, heads, lines) {
  const head = document.createElement("thead");
  head.append(row(heads.map((words, place) => make("th", words, place ? "" : "word"))));
  const body = document.createElement("tbody");
  body.append(...lines.map((cells) =>
    row(cells.map(([words, style], place) => make("td", words, place ? style : "word")))));
  get(id).replaceChildren(head, body);
}

function drawTables({ milliseconds, sinks }) {
  table("stages", ["ms", "median", "90 %", "99 %"],
    Object.entries(milliseconds).map(([name, values]) =>
      [[name], ...values.map((value) => [value.toFixed(1)])]));
  table("sinks", ["", "written", "lost", ""], sinks.map((sink) => [
    [sink.name], [sink.written.toLocaleString("en")], [sink.lost.toLocaleString("en")],
    sink.failed ? ["failed", "bad"] : ["works", "good"],
  ]));
}

// status: of status.json, null when there is no answer.
export function drawNumbers(status) {
  drawState(status);
  if (!status) return;
  const [age50, , age99] = status.milliseconds.age;
  get("fps").textContent = status.fps.toFixed(1);
  setNumber("age50", age50.toFixed(0), "ms");
  setNumber("age99", age99.toFixed(0), "ms");
  get("uptime").textContent = duration(status.uptime_s);
  drawPlots(status);
  drawLedger(status.ledger);
  drawTables(status);
}

// about: of about.json.
export function drawAbout(about) {
  const [width, height] = about.size;
  const size = width ? ` ${width}×${height}` : "";
  const rate = about.source_fps ? ` at ${+about.source_fps.toFixed(2)} FPS` : "";
  const score = about.metrics.miou_val;
  const facts = {
    model: `${about.model}, ${about.precision}` + (score ? `, mIoU ${score.toFixed(1)} % on val` : ""),
    engine: `${about.engine}, input ${about.input.join("×")}`,
    source: `${about.source}${size}${rate}`,
    classes: about.classes.map((one) => one.name).join(", "),
    drivable: about.classes.filter((one) => one.drivable).map((one) => one.name).join(", "),
  };
  document.title = `${about.model} – roadseg`;
  get("title").textContent = about.model;
  get("what").textContent = `${about.engine} at ${about.input.join("×")}, from ${about.source}${size}`;
  get("about").replaceChildren(...Object.entries(facts).filter(([, words]) => words).map(
    ([name, words]) => row([make("th", name), make("td", words)])));
}
