// Planes of float32, rows from the top, and how they are scaled: bilinear, widened when shrinking, as Pillow does it.

function plane(height, width, data = new Float32Array(height * width)) {
  return { height, width, data };
}

function mapped(from, change) {
  const out = plane(from.height, from.width);
  for (let i = 0; i < out.data.length; i++) {
    out.data[i] = change(from.data[i], i);
  }
  return out;
}

// For each new pixel: the first pixel that it covers, how many, and the weights of those.
function coefficients(size, newSize) {
  const scale = size / newSize;
  const reach = Math.max(scale, 1);
  const room = 2 * Math.ceil(reach) + 1;
  const [first, count, weights] = [new Int32Array(newSize), new Int32Array(newSize), new Float64Array(newSize * room)];
  for (let place = 0; place < newSize; place++) {
    const centre = (place + 0.5) * scale;
    first[place] = Math.max(0, Math.trunc(centre - reach + 0.5));
    count[place] = Math.min(size, Math.trunc(centre + reach + 0.5)) - first[place];
    let total = 0;
    for (let i = 0; i < count[place]; i++) {
      const weight = Math.max(0, 1 - Math.abs((i + first[place] - centre + 0.5) * (1 / reach)));
      weights[place * room + i] = weight;
      total += weight;
    }
    for (let i = 0; i < count[place]; i++) {
      weights[place * room + i] /= total;
    }
  }
  return { first, count, weights, room };
}

// In one direction, row by row; `step` leads to the next pixel of a row, `stride` to the next row.
function stretched(from, to, rows, { step, stride, size }, { step: newStep, stride: newStride, size: newSize }) {
  const { first, count, weights, room } = coefficients(size, newSize);
  for (let row = 0; row < rows; row++) {
    for (let place = 0; place < newSize; place++) {
      const start = row * stride + first[place] * step;
      let sum = 0;
      for (let i = 0; i < count[place]; i++) {
        sum += from[start + i * step] * weights[place * room + i];
      }
      to[row * newStride + place * newStep] = sum;
    }
  }
}

const alongRows = ({ width }) => ({ step: 1, stride: width, size: width });
const alongColumns = ({ height, width }) => ({ step: width, stride: 1, size: height });

function resample(from, height, width) {
  let out = from;
  if (width !== out.width) {
    const next = plane(out.height, width);
    stretched(out.data, next.data, out.height, alongRows(out), alongRows(next));
    out = next;
  }
  if (height !== out.height) {
    const next = plane(height, width);
    stretched(out.data, next.data, width, alongColumns(out), alongColumns(next));
    out = next;
  }
  return out;
}
