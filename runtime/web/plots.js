// Lines over the last two minutes, in the page's colours.

const WIDTH = 420, HEIGHT = 130, LEFT = 34, RIGHT = 8, TOP = 8, BOTTOM = 20;

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((unit) => unit * power).find((top) => top >= value);
}

function text(x, y, words, anchor) {
  return `<text class="tick" x="${x}" y="${y}" text-anchor="${anchor}">${words}</text>`;
}

// series: [{values: newest last, null where there is none, style, area}]; span: how many fit.
export function drawPlot(svg, series, span, description) {
  const known = series.flatMap((one) => one.values).filter((value) => value !== null);
  const top = niceTop(Math.max(...known, 1));
  const x = (place) => LEFT + (place / (span - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const parts = [0, top / 2, top].map((tick) =>
    `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}"/>` +
    text(LEFT - 6, y(tick) + 4, +tick.toFixed(1), "end"));
  parts.push(text(LEFT, HEIGHT - 4, "2 min ago", "start"), text(WIDTH - RIGHT, HEIGHT - 4, "now", "end"));
  for (const one of series) parts.push(...lines(one, x, y, span));
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", description);
  svg.innerHTML = parts.join("");
}

// A line stops where values are missing.
function lines({ values, style, area }, x, y, span) {
  const first = span - values.length;
  const runs = [[]];
  values.forEach((value, place) => {
    if (value === null) runs.push([]);
    else runs.at(-1).push([x(first + place), y(value)]);
  });
  return runs.filter((run) => run.length).map((run) => {
    const points = run.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(" ");
    const floor = y(0);
    const below = `${run[0][0].toFixed(1)},${floor} ${points} ${run.at(-1)[0].toFixed(1)},${floor}`;
    return (area ? `<polygon class="area" points="${below}"/>` : "") +
      `<polyline class="${style}" points="${points}"/>`;
  });
}
