// The picture: before, after, the line between them, and the faces.

const find = (id) => document.getElementById(id);
const [stage, before, after, faces, line, split, was, is] = [
  "stage", "before", "after", "faces", "line", "split", "was", "is"].map(find);

export function show(image, blob) {
  const old = image.src;
  image.src = blob ? URL.createObjectURL(blob) : "";
  if (!blob) image.removeAttribute("src");
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
}

export const showBefore = (blob) => show(before, blob);

export function showAfter(blob, age) {
  show(after, blob);
  after.alt = blob ? `The photo at the age of ${age}` : "";
  is.textContent = `at ${age}`;
}

export function divide(share) {
  split.value = share;
  after.style.clipPath = `inset(0 0 0 ${share}%)`;
  line.style.left = `${share}%`;
  was.hidden = is.hidden = !(share > 0 && share < 100);
}

// Outlines faces; `toggle(index)` says whether a face that was clicked is now chosen.
export function outline(photo, toggle) {
  faces.replaceChildren(...photo.faces.map((face, index) => {
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
      button.setAttribute("aria-pressed", String(toggle(index)));
    });
    return button;
  }));
}

function drag(event) {
  const { left, width } = stage.getBoundingClientRect();
  divide(Math.round(Math.min(100, Math.max(0, (100 * (event.clientX - left)) / width))));
}

line.addEventListener("pointerdown", (event) => {
  event.preventDefault();
  line.setPointerCapture(event.pointerId);
});
line.addEventListener("pointermove", (event) => {
  if (line.hasPointerCapture(event.pointerId)) drag(event);
});
split.addEventListener("input", () => divide(Number(split.value)));
