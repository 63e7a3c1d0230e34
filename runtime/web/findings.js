// What post-processing found, over the picture: the drivable area's outline, and how far it is free.

const OUTLINE = "#fff", BAR = "#ffdc3c", EDGE = "rgba(20, 20, 20, .85)";

function distance(free) {
  return free.metres === null ? `${free.pixels} px` : `${free.metres.toFixed(1)} m`;
}

function stroke(context, color, width) {
  context.strokeStyle = EDGE;
  context.lineWidth = 2 * width;
  context.stroke();
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}

// found: {size, polygon: [[x, y], …], free, bar: [left, right, row]}, in pixels of a frame of `size`;
// polygon and free where they were asked for, bar null where all is free.
export function drawFindings(context, found) {
  const scale = context.canvas.width / found.size[0];
  const width = Math.max(1, context.canvas.height / 270);
  context.lineJoin = "round";
  if (found.polygon?.length) {
    context.beginPath();
    for (const [x, y] of found.polygon) context.lineTo((x + 0.5) * scale, (y + 0.5) * scale);
    context.closePath();
    stroke(context, OUTLINE, width);
  }
  if (!found.bar) return;
  const [left, right, row] = found.bar.map((value) => (value + 0.5) * scale);
  context.beginPath();
  context.moveTo(left, row);
  context.lineTo(right, row);
  stroke(context, BAR, 2 * width);
}

// free: of the findings, undefined where it was not asked for.
export function freeWords(free) {
  if (!free) return "";
  return `${distance(free)} free` + (free.blocked_by ? `, then ${free.blocked_by}` : "");
}
