// The live page: asks for the next picture when it has the last, and for the numbers once a second.

import { drawFindings, freeWords } from "./findings.js";
import { colored } from "./mask.js";
import { drawNumbers, drawAbout } from "./numbers.js";

const get = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const viewer = Math.random().toString(36).slice(2); // crypto.randomUUID needs https
const canvas = get("canvas");

let classes = []; // {name, color, shown}
let opacity = 0.5;
let paused = false;
let last = null; // {frame: ImageBitmap, png: Uint8Array, found, sequence}

function notice(words) {
  get("notice").textContent = words;
  get("notice").hidden = !words;
}

async function ask(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (response.ok) return response;
  throw new Error((await response.text()).trim());
}

async function nextPicture() {
  const response = await ask(`frame?viewer=${viewer}`);
  if (response.status === 204) return null;
  const bytes = new Uint8Array(await response.arrayBuffer());
  const place = (name) => Number(response.headers.get(name));
  const [maskAt, foundAt] = [place("X-Mask-At"), place("X-Findings-At")];
  const jpeg = new Blob([bytes.subarray(0, maskAt)], { type: "image/jpeg" });
  const sequence = response.headers.get("X-Sequence");
  const found = JSON.parse(new TextDecoder().decode(bytes.subarray(foundAt)));
  return { jpeg, png: bytes.subarray(maskAt, foundAt), found, sequence };
}

async function show({ jpeg, png, found, sequence }) {
  const frame = await createImageBitmap(jpeg);
  last?.frame.close();
  last = { frame, png, found, sequence };
  await paint();
  get("snapshot").disabled = false;
}

async function paint() {
  if (!last) return;
  const { frame, png, found, sequence } = last;
  const mask = await createImageBitmap(colored(png, classes, opacity));
  if (last.frame === frame) {
    if (canvas.width !== frame.width || canvas.height !== frame.height) {
      canvas.width = frame.width;
      canvas.height = frame.height;
    }
    const context = canvas.getContext("2d");
    context.drawImage(frame, 0, 0);
    context.drawImage(mask, 0, 0);
    drawFindings(context, found);
    get("free").textContent = freeWords(found.free);
    get("free").hidden = !found.free;
    canvas.dataset.sequence = sequence;
  }
  mask.close();
}

// The next picture is asked for while this one is decoded; one is drawn at a time.
async function follow() {
  let drawn = Promise.resolve();
  for (;;) {
    if (paused || document.hidden) {
      await pause(200);
      continue;
    }
    try {
      const picture = await nextPicture();
      await drawn;
      if (picture && !paused) drawn = show(picture);
      notice(picture || last ? "" : "waiting for the first frame");
    } catch (error) {
      notice(error instanceof TypeError ? "seg-run does not answer" : error.message);
      await pause(1000);
    }
  }
}

async function count() {
  for (;; await pause(1000)) {
    if (document.hidden) continue;
    try {
      drawNumbers(await (await ask("status.json")).json());
    } catch {
      drawNumbers(null);
    }
  }
}

function toggle(button, one, shown) {
  one.shown = shown;
  button.setAttribute("aria-pressed", shown);
}

function drawLegend() {
  const buttons = classes.map((one) => {
    const button = document.createElement("button");
    const swatch = document.createElement("i");
    swatch.style.background = `rgb(${one.color})`;
    button.append(swatch, one.name);
    toggle(button, one, true);
    button.onclick = () => { toggle(button, one, !one.shown); paint(); };
    return button;
  });
  const words = [["all", true], ["none", false]].map(([word, shown]) => {
    const button = document.createElement("button");
    button.className = "word";
    button.textContent = word;
    button.onclick = () => {
      buttons.forEach((other, id) => toggle(other, classes[id], shown));
      paint();
    };
    return button;
  });
  get("legend").replaceChildren(...buttons, ...words);
}

get("pause").onclick = () => {
  paused = !paused;
  get("pause").setAttribute("aria-pressed", paused);
  get("pause").textContent = paused ? "Go on" : "Pause";
};
get("opacity").oninput = () => { opacity = get("opacity").value / 100; paint(); };
get("snapshot").onclick = () => {
  const name = `roadseg-${canvas.dataset.sequence}.png`;
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, "image/png");
};

async function begin() {
  for (;; await pause(1000)) {
    try {
      const about = await (await ask("about.json")).json();
      classes = about.classes;
      opacity = about.alpha;
      get("opacity").value = Math.round(opacity * 100);
      drawLegend();
      drawAbout(about);
      return;
    } catch (error) {
      notice(error.message);
    }
  }
}

await begin();
follow();
count();
