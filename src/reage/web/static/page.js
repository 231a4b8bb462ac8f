import { ask, forget, save, send } from "/server.js";
import { divide, outline, show, showAfter, showBefore } from "/stage.js";

const find = (id) => document.getElementById(id);
const names = ["choose", "drop", "file", "camera", "shoot", "live", "message", "result", "stage",
  "age", "strength", "mask", "again", "archive", "through", "ages"];
const ui = Object.fromEntries(names.map((id) => [id, find(id)]));
const START_SPLIT = 0;
let photo = null; // {id, width, height, faces: [{box}], chosen: Set}
let opening = 0; // Counts what was opened, so that only the newest is shown.
let filming = 0; // Counts what was asked of the camera, so that only the newest keeps it on.
let drawing = false;
let wanted = false;

function say(text, bad = false) {
  ui.message.textContent = text;
  ui.message.classList.toggle("bad", bad);
}

function fail(error) {
  say(error.message, true);
  if (error.status === 404) restart();
}

// What the controls of a tab ask for.
function setting(prefix) {
  return {
    to: find(`${prefix}age`).value,
    strength: find(`${prefix}strength`).value,
    mask: document.querySelector(`input[name="${prefix}mask"]:checked`).value,
  };
}

function wish() {
  return new URLSearchParams({ ...setting(""), faces: [...photo.chosen].join(",") });
}

async function open(file) {
  if (!file) return;
  stopCamera();
  const turn = ++opening;
  say("Looking for faces…");
  try {
    const found = await (await send("/api/photos", file)).json();
    const original = await originalOf(found.id);
    if (turn !== opening) return forget(found.id);
    leave();
    photo = { ...found, chosen: new Set(found.faces.keys()) };
    showBefore(original);
    await begin();
  } catch (error) {
    // Whatever was wrong with the new photo, the one that is shown stays.
    if (turn === opening) say(error.message, true);
  }
}

async function originalOf(id) {
  // It is not `photo` yet, which the page forgets when it is left.
  const drop = () => forget(id);
  window.addEventListener("pagehide", drop);
  try {
    return await (await ask(`/api/photos/${id}/aged?to=0&faces=`)).blob();
  } catch (error) {
    drop();
    throw error;
  } finally {
    window.removeEventListener("pagehide", drop);
  }
}

async function begin() {
  // The camera may have been started while faces were looked for, and is about to be hidden.
  stopCamera();
  outline(photo, (index) => {
    const on = !photo.chosen.delete(index);
    if (on) photo.chosen.add(index);
    draw();
    return on;
  });
  showAfter(null, ui.age.value);
  divide(START_SPLIT);
  ui.choose.hidden = true;
  ui.result.hidden = false;
  const count = photo.faces.length;
  say(count === 1 ? "1 face found." : `${count} faces found.`);
  await draw();
}

// While the slider is dragged only the newest wish counts: one request at a time.
async function draw() {
  wanted = true;
  if (drawing || !photo) return;
  drawing = true;
  ui.stage.setAttribute("aria-busy", "true");
  while (wanted && photo) {
    wanted = false;
    await drawOnce(photo.id, ui.age.value);
  }
  drawing = false;
  ui.stage.setAttribute("aria-busy", "false");
}

// Neither an answer nor an error that is late concerns the next photo.
async function drawOnce(id, age) {
  try {
    const blob = await (await ask(`/api/photos/${id}/aged?${wish()}`)).blob();
    if (photo?.id !== id) return;
    showAfter(blob, age);
    if (ui.message.classList.contains("bad")) say("");
    document.body.dataset.shown = age;
  } catch (error) {
    if (photo?.id === id) fail(error);
  }
}

function leave() {
  if (photo) forget(photo.id);
  photo = null;
  ui.through.hidden = true;
  for (const picture of [ui.ages, find("before"), find("after")]) show(picture, null);
  delete document.body.dataset.shown;
}

function restart() {
  opening++;
  leave();
  ui.file.value = "";
  ui.result.hidden = true;
  ui.choose.hidden = false;
  ui.drop.focus();
}

async function whileWorking(buttons, work) {
  say("Working…");
  for (const button of buttons) button.disabled = true;
  try {
    say(await work());
  } catch (error) {
    fail(error);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

function download(kind) {
  return async () => {
    const { id } = photo;
    const blob = await save(await ask(`/api/photos/${id}/${kind}?${wish()}`));
    if (kind !== "photo" && photo?.id === id) {
      show(ui.ages, blob);
      ui.through.hidden = false;
    }
    return "Downloaded.";
  };
}

function sendArchive(file) {
  if (!file) return;
  const query = new URLSearchParams(setting("archive-"));
  whileWorking([find("drop-archive")], async () => {
    const answer = await send(`/api/archive?${query}`, file);
    await save(answer);
    const [aged, failed] = ["Reage-Aged", "Reage-Failed"].map((name) => answer.headers.get(name));
    return `${aged} aged and downloaded`
      + (failed === "0" ? "." : `, ${failed} not: failures.txt in the .zip file says why.`);
  });
}

async function startCamera() {
  stopCamera();
  const turn = filming;
  try {
    const film = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
    // Browsers ask for permission, and much can happen until that is given.
    if (turn !== filming) return end(film);
    ui.live.srcObject = film;
    await ui.live.play();
  } catch {
    if (turn !== filming) return;
    stopCamera();
    say("The camera cannot be used here. Please choose a photo.", true);
    return;
  }
  if (turn !== filming) return;
  say("");
  ui.live.hidden = ui.shoot.hidden = false;
}

function end(film) {
  for (const track of film.getTracks()) track.stop();
}

function stopCamera() {
  filming++;
  if (ui.live.srcObject) end(ui.live.srcObject);
  ui.live.srcObject = null;
  ui.live.hidden = ui.shoot.hidden = true;
}

function shoot() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [ui.live.videoWidth, ui.live.videoHeight];
  canvas.getContext("2d").drawImage(ui.live, 0, 0);
  canvas.toBlob(open, "image/jpeg", 0.95);
}

function choosesFiles(drop, input, take) {
  input.addEventListener("change", () => { take(input.files[0]); input.value = ""; });
  drop.addEventListener("click", () => input.click());
}

const tabs = [find("tab-one"), find("tab-many")];
const inMany = () => !find("many").hidden;

function select(tab) {
  for (const one of tabs) {
    one.setAttribute("aria-selected", String(one === tab));
    one.tabIndex = one === tab ? 0 : -1;
    find(one.getAttribute("aria-controls")).hidden = one !== tab;
  }
  // Nobody would see that it is on; whoever comes back asks for it again.
  if (inMany()) stopCamera();
  say("");
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    select(tabs[1 - index]);
    tabs[1 - index].focus();
  });
}
choosesFiles(ui.drop, ui.file, open);
choosesFiles(find("drop-archive"), ui.archive, sendArchive);
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragover");
    if (kind !== "drop") return;
    (inMany() ? sendArchive : open)(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (file && !inMany()) open(file);
});
ui.camera.addEventListener("click", startCamera);
ui.shoot.addEventListener("click", shoot);
for (const prefix of ["", "archive-"]) {
  find(`${prefix}age`).addEventListener("input", (event) => {
    find(`${prefix}years`).textContent = event.target.value;
  });
  find(`${prefix}strength`).addEventListener("input", (event) => {
    find(`${prefix}share`).textContent = `${Math.round(100 * event.target.value)} %`;
  });
}
for (const control of [ui.age, ui.strength, ui.mask]) control.addEventListener("input", draw);
const downloads = ["photo", "strip", "gif"].map((kind) => find(`get-${kind}`));
for (const button of downloads) {
  button.addEventListener("click", () => whileWorking(downloads, download(button.id.slice(4))));
}
ui.again.addEventListener("click", () => { say(""); restart(); });
window.addEventListener("pagehide", () => { stopCamera(); if (photo) restart(); });
divide(START_SPLIT);
