// The network: its steps one after the other, in the arithmetic of ONNX Runtime. A store into a Float32Array rounds to float32, and so
// does Math.fround; a product of two float32 is exact before that, so that nothing is rounded twice.
"use strict";

const MODEL = JSON.parse(document.getElementById("model").textContent, (key, value) =>
  value && value.base64 !== undefined ? decoded(value) : value);

function decoded({ base64, dtype, size }) {
  const kind = { uint8: Uint8Array, int8: Int8Array, int32: Int32Array, float32: Float32Array }[dtype];
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    bytes[i] = text.charCodeAt(i);
  }
  return size === undefined ? new kind(bytes.buffer) : unpacked(bytes, size);
}

// Bytes of which each row of zeros is a 0 and how many they are.
function unpacked(packed, size) {
  const bytes = new Uint8Array(size);
  for (let i = 0, place = 0; i < packed.length; i++, place++) {
    if (packed[i] === 0) {
      place += packed[++i] - 1;
    } else {
      bytes[place] = packed[i];
    }
  }
  return bytes;
}

// The nearest whole number, half to even.
function rint(x) {
  return x + 6755399441055744 - 6755399441055744;
}

// The nearest whole number from 0 to 255; 0 for what is none.
function toByte(x) {
  return x > 0 ? (x < 255 ? rint(x) : 255) : 0;
}

// Where x is not 0: what is 0 adds nothing.
function nonzero(x) {
  const places = new Int32Array(x.length);
  let count = 0;
  for (let i = 0; i < x.length; i++) {
    places[count] = i;
    count += x[i] === 0 ? 0 : 1;
  }
  return places.subarray(0, count);
}

// Whole numbers of 32 bits: any order of summation gives the same.
function product(step, x, places, unit) {
  const { weights, bias, factors } = step.constants;
  const start = unit * x.length;
  let sum = bias[unit];
  for (let k = 0; k < places.length; k++) {
    sum = (sum + Math.imul(weights[start + places[k]], x[places[k]])) | 0;
  }
  return Math.fround(Math.fround(sum) * factors[factors.length > 1 ? unit : 0]);
}

function byteProduct(step, x, places, unit) {
  return toByte(product(step, x, places, unit));
}

function floatProduct(step, x, places, unit) {
  const { weights, bias } = step.constants;
  const start = unit * x.length;
  let sum = bias[unit];
  for (let k = 0; k < places.length; k++) {
    sum += weights[start + places[k]] * x[places[k]];
  }
  return sum;
}

// The 3x3 surroundings of a place become one row, column by column; beyond the edge all is 0.
function gather({ height, width, channels }, x, line, column, row) {
  for (let place = 0; place < 9; place++) {
    const [v, u] = [line + (place % 3) - 1, column + Math.floor(place / 3) - 1];
    const isInside = v >= 0 && v < height && u >= 0 && u < width;
    const start = (v * width + u) * channels;
    for (let i = 0; i < channels; i++) {
      row[place * channels + i] = isInside ? x[start + i] : 0;
    }
  }
}

// At each place the products of its surroundings; if it pools, the largest in each block of 2x2 places.
function convolve(step, x, y, productOf) {
  const { height, width, channels, side } = step.picture;
  const units = step.constants.bias.length;
  const rows = Array.from({ length: side * side }, () => new x.constructor(9 * channels));
  let next = 0;
  for (let line = 0; line + side <= height; line += side) {
    for (let column = 0; column + side <= width; column += side) {
      rows.forEach((row, i) => gather(step.picture, x, line + (i >> 1), column + (i & 1), row));
      const places = rows.map(nonzero);
      for (let unit = 0; unit < units; unit++) {
        let largest = -Infinity;
        rows.forEach((row, i) => { largest = Math.max(largest, productOf(step, row, places[i], unit)); });
        y[next++] = largest;
      }
    }
  }
}

function dense(step, x, y, productOf) {
  const places = nonzero(x);
  for (let unit = 0; unit < step.outputs; unit++) {
    y[unit] = productOf(step, x, places, unit);
  }
}

const STEPS = {
  dense_bytes(step, x, y) {
    dense(step, x, y, byteProduct);
  },
  dense_bytes_to_floats(step, x, y) {
    dense(step, x, y, product);
  },
  dense(step, x, y) {
    dense(step, x, y, floatProduct);
  },
  convolve_bytes(step, x, y) {
    convolve(step, x, y, byteProduct);
  },
  convolve_bytes_to_floats(step, x, y) {
    convolve(step, x, y, product);
  },
  convolve(step, x, y) {
    convolve(step, x, y, floatProduct);
  },
  relu(step, x, y) {
    for (let i = 0; i < step.outputs; i++) {
      y[i] = x[i] > 0 ? x[i] : 0;
    }
  },
  scale_features(step, x, y) {
    const { offset, factor } = step.constants;
    for (let i = 0; i < step.outputs; i++) {
      y[i] = Math.fround(x[i] - offset[i]) * factor[i];
    }
  },
  smooth_clip(step, x, y) {
    const { fround, sqrt } = Math;
    const [limit, reach] = [step.constants.limit[0], step.constants.reach[0]];
    for (let i = 0; i < step.outputs; i++) {
      const near = x[i] < reach ? (x[i] > -reach ? x[i] : -reach) : reach;
      const ratio = fround(near / limit);
      y[i] = near / fround(sqrt(fround(fround(ratio * ratio) + 1)));
    }
  },
  bytes_of_floats(step, x, y) {
    for (let i = 0; i < step.outputs; i++) {
      y[i] = toByte(Math.fround(x[i] / step.constants.level[0]));
    }
  },
  floats_of_bytes(step, x, y) {
    for (let i = 0; i < step.outputs; i++) {
      y[i] = step.constants.level[0] * x[i];
    }
  },
};

// Logits of one input: bytes of a picture, or float32 features.
function logitsOf(input) {
  return MODEL.steps.reduce((x, step) => {
    const y = step.gives === "bytes" ? new Uint8Array(step.outputs) : new Float32Array(step.outputs);
    STEPS[step.function](step, x, y);
    return y;
  }, input);
}

// Index of the class that the logits answer.
function predicted(logits) {
  return MODEL.head.kind === "sigmoid" ? Number(logits[0] > MODEL.head.logit_threshold) : logits.indexOf(Math.max(...logits));
}

// What an input is taken for: the class, every class's probability, and whether the answer should be trusted.
function answer(input, { warnings = [], isUnfamiliar = false } = {}) {
  const { head, rejection, noun } = MODEL;
  const logits = logitsOf(input);
  const scaled = Array.from(head.kind === "sigmoid" ? [0, logits[0]] : logits, (x) => Math.fround(x * head.inverse_temperature));
  const largest = Math.max(...scaled);
  const shares = scaled.map((x) => Math.exp(x - largest));
  const total = shares.reduce((sum, x) => sum + x, 0);
  const probabilities = shares.map((x) => x / total);
  const index = predicted(logits);
  const top = Math.max(...logits);
  const energy = top + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0));
  const notes = [...warnings];
  const isStrange = rejection.min_energy_score !== null && energy < rejection.min_energy_score;
  if (isStrange) {
    notes.push(`the ${noun} does not look like the training data`);
  }
  const isUnsure = probabilities[index] < (rejection.min_confidence ?? 0);
  if (isUnsure) {
    notes.push(`low confidence (${Math.floor(100 * probabilities[index] + 1e-6)} %)`);
  }
  const isRejected = rejection.min_confidence !== 0 && (isStrange || isUnsure || isUnfamiliar);
  return { index, probabilities, logits, isRejected, notes };
}
