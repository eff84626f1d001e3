// Planes of float32, rows from the top, and how they are scaled: bilinear, widened when shrinking, as Pillow does it.

function plane(height, width, data = new Float32Array(height * width)) {
  return { height, width, data };
}

function mapped(from, change) {
  return plane(from.height, from.width, from.data.map(change));
}

// For each new pixel: the first pixel that it covers, and the weights of those.
function coefficients(size, newSize) {
  const scale = size / newSize;
  const reach = Math.max(scale, 1);
  return Array.from({ length: newSize }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(size, Math.trunc(centre + reach + 0.5));
    const weights = Array.from({ length: end - first }, (_, i) =>
      Math.max(0, 1 - Math.abs((i + first - centre + 0.5) * (1 / reach))));
    const total = weights.reduce((sum, x) => sum + x, 0);
    return { first, weights: weights.map((x) => x / total) };
  });
}

// One direction; `step` leads to the next pixel along it, `across` to the next row of them.
function stretched(from, to, table, rows, step, across, newStep, newAcross) {
  for (let row = 0; row < rows; row++) {
    table.forEach(({ first, weights }, place) => {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) {
        sum += from.data[row * across + (first + i) * step] * weights[i];
      }
      to.data[row * newAcross + place * newStep] = sum;
    });
  }
  return to;
}

function resample(from, height, width) {
  let out = from;
  if (width !== out.width) {
    out = stretched(out, plane(out.height, width), coefficients(out.width, width), out.height, 1, out.width, 1, width);
  }
  if (height !== out.height) {
    out = stretched(out, plane(height, width), coefficients(out.height, height), width, width, 1, width, 1);
  }
  return out;
}
