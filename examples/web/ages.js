// The conventions of reage/ages.py and reage/faces/align.py that a browser needs.

// Middle of each of the 14 age groups, years.
export const CENTERS = [2.5, 8, 13, 18, 23, 28, 35.5, 45.5, 55.5, 65.5, 75.5, 85.5, 95.5, 108.5];

// Right eye, left eye, nose tip, right and left mouth corner, in units of the crop's side.
export const TEMPLATE = [
  [0.2907, 0.2942], [0.6857, 0.2921], [0.4844, 0.5437], [0.3163, 0.6838], [0.6599, 0.6831],
];

// Weights over the groups: one-hot at a group's center, linear between two centers.
export function softCode(age) {
  const code = new Float32Array(CENTERS.length);
  const above = CENTERS.findIndex((center) => center >= age);
  if (above <= 0) {
    code[above < 0 ? CENTERS.length - 1 : 0] = 1;
    return code;
  }
  const share = (age - CENTERS[above - 1]) / (CENTERS[above] - CENTERS[above - 1]);
  code[above - 1] = 1 - share;
  code[above] = share;
  return code;
}

// RGBA bytes of a canvas to RGB in [-1, 1], one face of NHWC.
export function toModel(rgba) {
  const values = new Float32Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    for (let channel = 0; channel < 3; channel++) {
      values[to + channel] = rgba[from + channel] / 127.5 - 1;
    }
  }
  return values;
}

// Adds a delta of side `size`, upsampled bilinearly, to RGBA bytes of side `side`, in place.
export function addDelta(rgba, side, delta, size) {
  const taps = Array.from({ length: side }, (_, index) => {
    const place = Math.min(Math.max(((index + 0.5) * size) / side - 0.5, 0), size - 1);
    const low = Math.floor(place);
    return [low, Math.min(low + 1, size - 1), place - low];
  });
  for (let y = 0; y < side; y++) {
    const [top, bottom, down] = taps[y];
    for (let x = 0; x < side; x++) {
      const [left, right, across] = taps[x];
      for (let channel = 0; channel < 3; channel++) {
        const at = (row, column) => delta[(row * size + column) * 3 + channel];
        const upper = at(top, left) + across * (at(top, right) - at(top, left));
        const lower = at(bottom, left) + across * (at(bottom, right) - at(bottom, left));
        // A clamped byte array rounds and clips by itself.
        rgba[(y * side + x) * 4 + channel] += 127.5 * (upper + down * (lower - upper));
      }
    }
  }
}
