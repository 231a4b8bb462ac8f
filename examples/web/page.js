import { addDelta, TEMPLATE, toModel } from "./ages.js";
import { openModel } from "./model.js";

const find = (id) => document.getElementById(id);
const names = ["file", "message", "work", "stage", "marks", "zoom", "turn", "age", "years", "after"];
const ui = Object.fromEntries(names.map((id) => [id, find(id)]));
const SIDE = ui.stage.width;
const STEP = 4; // Pixels that an arrow key moves the photo.

let model = null;
let photo = null; // ImageBitmap, upright
let view = null; // {x, y}: the photo's pixel in the middle of the square; zoom; turn in radians
let fit = 1; // The zoom at which the photo's shorter side fills the square.
let moves = 0; // Counts how often the photo was moved, to tell an encoded crop from a newer one.
let crop = null; // {moves, picture, features} of what was encoded last
let busy = false;
let stale = false;

function say(text, bad = false) {
  ui.message.textContent = text;
  ui.message.classList.toggle("bad", bad);
}

async function open(file) {
  if (!file) return;
  try {
    photo = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return say(`${file.name} cannot be read as a photo.`, true);
  }
  fit = SIDE / Math.min(photo.width, photo.height);
  view = { x: photo.width / 2, y: photo.height / 2, zoom: fit, turn: 0 };
  ui.zoom.value = 0;
  ui.turn.value = 0;
  ui.work.hidden = false;
  say("Drag, zoom and turn the photo until eyes, nose and mouth lie on the rings.");
  moved();
}

// Draws the square of the photo, `side` pixels wide.
function paint(canvas, side) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "#808080";
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = "high";
  context.translate(side / 2, side / 2);
  context.rotate(view.turn);
  context.scale((view.zoom * side) / SIDE, (view.zoom * side) / SIDE);
  context.drawImage(photo, -view.x, -view.y);
  return context;
}

function moved() {
  moves += 1;
  paint(ui.stage, SIDE);
  update();
}

function moveBy(dx, dy) {
  const cos = Math.cos(view.turn) / view.zoom;
  const sin = Math.sin(view.turn) / view.zoom;
  view.x = Math.min(Math.max(view.x - dx * cos - dy * sin, 0), photo.width);
  view.y = Math.min(Math.max(view.y + dx * sin - dy * cos, 0), photo.height);
  moved();
}

function zoomTo(value) {
  ui.zoom.value = value;
  view.zoom = fit * 2 ** Number(ui.zoom.value);
  moved();
}

// Ages the crop; while that goes on, only the newest wish is remembered.
async function update() {
  ui.years.value = ui.age.value;
  stale = true;
  if (busy || !model || !photo) return;
  busy = true;
  try {
    while (stale) {
      stale = false;
      await draw(Number(ui.age.value));
    }
  } catch (error) {
    say(`The model failed: ${error.message}`, true);
  }
  busy = false;
}

async function encode() {
  const small = document.createElement("canvas");
  small.width = small.height = model.size;
  const pixels = paint(small, model.size).getImageData(0, 0, model.size, model.size);
  const picture = ui.stage.getContext("2d").getImageData(0, 0, SIDE, SIDE);
  const encoded = { moves, picture };
  return { ...encoded, features: await model.encode(toModel(pixels.data)) };
}

async function draw(age) {
  if (crop?.moves !== moves) crop = await encode();
  const delta = await model.decode(crop.features, age);
  const picture = new ImageData(crop.picture.data.slice(), SIDE, SIDE);
  addDelta(picture.data, SIDE, delta, model.size);
  ui.after.getContext("2d").putImageData(picture, 0, 0);
  ui.after.setAttribute("aria-label", `The face at ${age} years`);
  document.body.dataset.shown = age;
  // Lets the browser paint between two ages.
  await new Promise((done) => requestAnimationFrame(done));
}

function mark() {
  const context = ui.marks.getContext("2d");
  for (const [color, width] of [["#000", 3], ["#fff", 1.5]]) {
    context.strokeStyle = color;
    context.lineWidth = width;
    for (const [x, y] of TEMPLATE) {
      context.beginPath();
      context.arc(x * SIDE, y * SIDE, SIDE / 32, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

function listen() {
  const keys = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
  ui.file.addEventListener("change", () => open(ui.file.files[0]));
  ui.age.addEventListener("input", update);
  ui.zoom.addEventListener("input", () => zoomTo(ui.zoom.value));
  ui.turn.addEventListener("input", () => {
    view.turn = (Number(ui.turn.value) * Math.PI) / 180;
    moved();
  });
  ui.marks.addEventListener("pointerdown", (event) => ui.marks.setPointerCapture(event.pointerId));
  ui.marks.addEventListener("pointermove", (event) => {
    if (!ui.marks.hasPointerCapture(event.pointerId)) return;
    const scale = SIDE / ui.marks.clientWidth;
    moveBy(event.movementX * scale, event.movementY * scale);
  });
  ui.marks.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomTo(Number(ui.zoom.value) - event.deltaY / 500);
  }, { passive: false });
  ui.marks.addEventListener("keydown", (event) => {
    if (!keys[event.key]) return;
    event.preventDefault();
    moveBy(...keys[event.key]);
  });
}

mark();
listen();
try {
  model = await openModel(new URL("./model/", import.meta.url).href);
  say(photo ? "Ready." : "Choose a photo of a face.");
  ui.file.disabled = false;
  update();
} catch (error) {
  say(error.message, true);
}
