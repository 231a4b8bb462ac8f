const find = (id) => document.getElementById(id);
const ui = Object.fromEntries(
  ["choose", "drop", "file", "camera", "shoot", "live", "message", "result", "before", "after",
    "faces", "line", "age", "years", "split", "strength", "again", "archive"].map((id) => [id, find(id)]),
);
let photo = null; // {id, width, height, faces: [{box}], chosen: Set}
let busy = false;
let wanted = false;

function say(text, bad = false) {
  ui.message.textContent = text;
  ui.message.classList.toggle("bad", bad);
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The program that serves this page does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw new Error(error || "Something went wrong. Please try again.");
}

function wish() {
  const query = new URLSearchParams({ to: ui.age.value, strength: ui.strength.value });
  if (photo) query.set("faces", [...photo.chosen].join(","));
  return query;
}

async function open(file) {
  if (!file) return;
  say("Looking for faces…");
  try {
    const answer = await ask("/api/photos", { method: "POST", body: file });
    forget();
    photo = await answer.json();
    photo.chosen = new Set(photo.faces.keys());
  } catch (error) {
    say(error.message, true);
    return;
  }
  const original = await ask(`/api/photos/${photo.id}/aged?to=0&faces=`);
  show(ui.before, await original.blob());
  outline();
  ui.choose.hidden = true;
  ui.result.hidden = false;
  const count = photo.faces.length;
  say(count === 1 ? "1 face found." : `${count} faces found.`);
  await draw();
}

function show(image, blob) {
  const old = image.src;
  image.src = URL.createObjectURL(blob);
  if (old) URL.revokeObjectURL(old);
}

// While the slider is dragged only the newest wish counts: one request at a time.
async function draw() {
  wanted = true;
  if (busy || !photo) return;
  busy = true;
  try {
    while (wanted && photo) {
      wanted = false;
      const answer = await ask(`/api/photos/${photo.id}/aged?${wish()}`);
      show(ui.after, await answer.blob());
      ui.after.alt = `The photo at the age of ${ui.age.value}`;
      document.body.dataset.shown = ui.age.value;
    }
  } catch (error) {
    say(error.message, true);
  } finally {
    busy = false;
  }
}

function outline() {
  ui.faces.replaceChildren(...photo.faces.map((face, index) => {
    const [x0, y0, x1, y1] = face.box;
    const button = document.createElement("button");
    button.type = "button";
    button.style.left = `${(100 * x0) / photo.width}%`;
    button.style.top = `${(100 * y0) / photo.height}%`;
    button.style.width = `${(100 * (x1 - x0)) / photo.width}%`;
    button.style.height = `${(100 * (y1 - y0)) / photo.height}%`;
    button.setAttribute("aria-label", `Age face ${index + 1} of ${photo.faces.length}`);
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const on = !photo.chosen.delete(index);
      if (on) photo.chosen.add(index);
      button.setAttribute("aria-pressed", String(on));
      draw();
    });
    return button;
  }));
}

function divide() {
  const share = Number(ui.split.value);
  ui.after.style.clipPath = `inset(0 0 0 ${share}%)`;
  ui.line.style.left = `${share}%`;
  ui.line.style.opacity = share > 0 && share < 100 ? 1 : 0;
}

function forget() {
  if (photo) fetch(`/api/photos/${photo.id}`, { method: "DELETE", keepalive: true }).catch(() => {});
  photo = null;
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function download(path, options) {
  say("Working…");
  try {
    const answer = await ask(path, options);
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "");
    save(await answer.blob(), name ? name[1] : "aged");
    say("Done.");
  } catch (error) {
    say(error.message, true);
  }
}

async function startCamera() {
  try {
    ui.live.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } });
  } catch {
    say("The camera cannot be used here. Please choose a photo.", true);
    return;
  }
  await ui.live.play();
  ui.live.hidden = ui.shoot.hidden = false;
}

function shoot() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [ui.live.videoWidth, ui.live.videoHeight];
  canvas.getContext("2d").drawImage(ui.live, 0, 0);
  ui.live.srcObject.getTracks().forEach((track) => track.stop());
  ui.live.hidden = ui.shoot.hidden = true;
  canvas.toBlob(open, "image/jpeg", 0.95);
}

ui.file.addEventListener("change", () => open(ui.file.files[0]));
ui.drop.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); ui.file.click(); }
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    ui.drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") open(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (file) open(file);
});
ui.camera.addEventListener("click", startCamera);
ui.shoot.addEventListener("click", shoot);
ui.age.addEventListener("input", () => { ui.years.value = ui.age.value; draw(); });
ui.strength.addEventListener("input", draw);
ui.split.addEventListener("input", divide);
for (const kind of ["photo", "strip", "gif"]) {
  find(`get-${kind}`).addEventListener("click", () => download(`/api/photos/${photo.id}/${kind}?${wish()}`));
}
ui.again.addEventListener("click", () => {
  forget();
  ui.file.value = "";
  ui.result.hidden = true;
  ui.choose.hidden = false;
  say("");
  ui.drop.focus();
});
ui.archive.addEventListener("change", () => {
  const query = new URLSearchParams({ to: find("archive-age").value });
  if (ui.archive.files[0]) download(`/api/archive?${query}`, { method: "POST", body: ui.archive.files[0] });
});
window.addEventListener("pagehide", forget);
divide();
