// From the ink of one character to the model's pixels: edgesoft/pictures/render.py, step by step in the same float32.

const SUPERSAMPLING = 4;
const PALEST = Math.fround(0.45);
const clip = (x, low, high) => (x < low ? low : x > high ? high : x);

// Cut out a box that may reach beyond the plane, where it is empty.
function cut(from, top, left, bottom, right) {
  const out = plane(bottom - top, right - left);
  const [first, last] = [Math.max(left, 0), Math.min(right, from.width)];
  for (let y = Math.max(top, 0); y < Math.min(bottom, from.height) && first < last; y++) {
    out.data.set(from.data.subarray(y * from.width + first, y * from.width + last), (y - top) * out.width + first - left);
  }
  return out;
}

// The box of the pixels above a level, whose ends are one behind the last; `rows` and `columns`: how many hold one.
function spans(ink, level) {
  const { height, width, data } = ink;
  const [inRow, inColumn] = [new Uint8Array(height), new Uint8Array(width)];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (data[i] > level) {
        inRow[y] = inColumn[x] = 1;
      }
    }
  }
  const count = (flags) => flags.reduce((sum, x) => sum + x, 0);
  return { top: inRow.indexOf(1), left: inColumn.indexOf(1), bottom: inRow.lastIndexOf(1) + 1, right: inColumn.lastIndexOf(1) + 1,
    rows: count(inRow), columns: count(inColumn) };
}

function inkBox(ink, level = 0.5) {
  const found = spans(ink, Math.fround(level));
  return found.rows ? found : { top: 0, left: 0, bottom: ink.height, right: ink.width };
}

function cropToInk(ink, margin) {
  const { top, left, bottom, right } = inkBox(ink);
  return cut(ink, top - margin, left - margin, bottom + margin, right + margin);
}

// The largest value in a square around each pixel, by doubling how far one looks: to the right, then down. No value is below 0.
function dilated(from, radius) {
  const wide = cut(from, -radius, -radius, from.height + radius, from.width + radius);
  const { width, data } = wide;
  for (const step of [1, width]) {
    for (let size = 1, more; size < 2 * radius + 1; size += more) {
      more = Math.min(size, 2 * radius + 1 - size);
      const shift = more * step;
      for (let i = 0; i < data.length - shift; i++) {
        const other = data[i + shift];
        if (other > data[i]) {
          data[i] = other;
        }
      }
    }
  }
  return cut(wide, 0, 0, from.height, from.width);
}

// The same in a disc: rows of its chords.
function dilatedByDisc(from, radius) {
  const { height, width, data } = from;
  const out = data.slice();
  for (let down = -radius; down <= radius; down++) {
    const chord = Math.floor(Math.sqrt((radius + 0.5) ** 2 - down * down));
    for (let across = -chord; across <= chord; across++) {
      const shift = down * width + across;
      const [first, last] = [Math.max(0, -across), Math.min(width, width - across)];
      for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++) {
        for (let i = y * width + first; i < y * width + last; i++) {
          const other = data[i + shift];
          if (other > out[i]) {
            out[i] = other;
          }
        }
      }
    }
  }
  return plane(height, width, out);
}

// Running sums in float64, down and then across; the plane is continued by its edge pixels.
function boxMean(from, radius) {
  const size = 2 * radius + 1;
  const means = (data, rows, { step, stride, size: length }) => {
    const out = new Float32Array(data.length);
    const totals = new Float64Array(length + size);
    for (let row = 0; row < rows; row++) {
      let total = 0;
      for (let i = 0; i < totals.length; i++) {
        total += data[row * stride + clip(i - radius - 1, 0, length - 1) * step];
        totals[i] = total;
      }
      for (let i = 0; i < length; i++) {
        out[row * stride + i * step] = (totals[i + size] - totals[i]) / size;
      }
    }
    return out;
  };
  const { height, width } = from;
  return plane(height, width, means(means(from.data, width, alongColumns(from)), height, alongRows(from)));
}

// In whole multiples of 2^-24, which add up without rounding.
const summable = (x) => rint(x * 2 ** 24) / 2 ** 24;

function strokeWidth(ink) {
  const { fround, sqrt } = Math;
  const { height, width, data } = cut(ink, -1, -1, ink.height + 1, ink.width + 1);
  let [area, variation] = [0, 0];
  for (let y = 1; y < height; y++) {
    for (let i = y * width + 1; i < (y + 1) * width; i++) {
      const across = fround(data[i] - data[i - width - 1]);
      const down = fround(data[i - 1] - data[i - width]);
      variation += summable(fround(sqrt(fround(fround(across * across) + fround(down * down)) / 2)));
      area += summable(data[i]);
    }
  }
  return variation > 0 ? (2 * area) / variation : 0;
}

function cropToMask(contrast, mask) {
  const { top, left, bottom, right, rows, columns } = spans(mask, 0);
  const margin = 2 + Math.floor(Math.max(rows, columns) / 8);
  const box = [
    Math.max(0, top - margin), Math.max(0, left - margin),
    Math.min(mask.height, bottom + margin), Math.min(mask.width, right + margin),
  ];
  return [cut(contrast, ...box), cut(mask, ...box)];
}

function evenPressure(contrast, mask, strokeContrast) {
  const ink = mapped(contrast, (x) => x / Math.fround(strokeContrast));
  const reach = Math.min(Math.ceil(strokeWidth(mask)), Math.floor(Math.max(mask.height, mask.width) / 8));
  const radius = Math.max(1, reach);
  const nearby = boxMean(dilated(ink, radius), radius);
  return mapped(ink, (x, i) => clip(x / clip(nearby.data[i], PALEST, 1), 0, 1));
}

function scaleToBox(ink, side) {
  const whole = cropToInk(ink, 2);
  const { top, left, bottom, right } = inkBox(whole);
  const scale = side / Math.max(bottom - top, right - left);
  return cropToInk(resample(whole, Math.max(1, rint(whole.height * scale)), Math.max(1, rint(whole.width * scale))), 4);
}

function dilateOrErode(ink, radius) {
  if (radius < 0) {
    return mapped(dilateOrErode(mapped(ink, (x) => 1 - x), -radius), (x) => 1 - x);
  }
  const whole = Math.trunc(radius);
  const lower = whole === 0 ? ink : dilatedByDisc(ink, whole);
  const part = radius - whole;
  if (part < 0.05) {
    return lower;
  }
  const upper = dilatedByDisc(ink, whole + 1);
  const [rest, share] = [Math.fround(1 - part), Math.fround(part)];
  return mapped(lower, (x, i) => Math.fround(rest * x) + Math.fround(share * upper.data[i]));
}

function strokeWidthChange(ink, spec) {
  if (!spec.stroke_high) {
    return 0;
  }
  const { top, left, bottom, right } = inkBox(ink);
  const side = Math.max(bottom - top, right - left);
  const width = strokeWidth(ink);
  const wanted = clip(width / side, spec.stroke_low / spec.ink_box, spec.stroke_high / spec.ink_box);
  return Math.max((wanted * side - width) / (2 * (1 - wanted)), -0.25 * width);
}

function centreOnCanvas(ink, spec) {
  const [height, width] = [spec.height * SUPERSAMPLING, spec.width * SUPERSAMPLING];
  const { top, left, bottom, right } = inkBox(ink, 0.05);
  const part = cut(ink, top, left, Math.min(bottom, top + height), Math.min(right, left + width));
  let [y, x] = [(part.height - 1) / 2, (part.width - 1) / 2];
  if (spec.centring === "mass") {
    let [total, down, across] = [0, 0, 0];
    for (let i = 0; i < part.data.length; i++) {
      const mass = summable(part.data[i]);
      total += mass;
      down += mass * Math.floor(i / part.width);
      across += mass * (i % part.width);
    }
    [y, x] = [down / (total || 1), across / (total || 1)];
  }
  const half = (SUPERSAMPLING - 1) / 2;
  const fromTop = clip(rint(SUPERSAMPLING * (spec.height / 2) + half - y), 0, height - part.height);
  const fromLeft = clip(rint(SUPERSAMPLING * (spec.width / 2) + half - x), 0, width - part.width);
  return cut(part, -fromTop, -fromLeft, height - fromTop, width - fromLeft);
}

// Planes of contrast and of marks (1 where there is one) -> bytes of the model's picture, white ink on black.
function renderGlyph(contrast, mask, strokeContrast, noiseFloor, spec) {
  [contrast, mask] = cropToMask(contrast, mask);
  const near = dilated(mask, 1);
  const highest = Math.fround(strokeContrast);
  let ink = evenPressure(mapped(contrast, (x, i) => clip(x, 0, highest) * near.data[i]), mask, strokeContrast);
  const side = spec.ink_box * SUPERSAMPLING;
  ink = scaleToBox(ink, side);
  const floor = noiseFloor / strokeContrast;
  const [low, range] = [Math.fround(floor), Math.fround(Math.max(0.8 - floor, 0.1))];
  ink = mapped(ink, (x) => clip(Math.fround(x - low) / range, 0, 1));
  ink = cropToInk(ink, 2 * SUPERSAMPLING);
  const change = strokeWidthChange(ink, spec);
  if (Math.abs(change) > 0.1) {
    ink = dilateOrErode(ink, change);
  }
  const canvas = centreOnCanvas(scaleToBox(ink, side), spec);
  const sums = new Float64Array(spec.height * spec.width);
  for (let y = 0, i = 0; y < canvas.height; y++) {
    const start = Math.floor(y / SUPERSAMPLING) * spec.width;
    for (let x = 0; x < canvas.width; x++, i++) {
      sums[start + Math.floor(x / SUPERSAMPLING)] += summable(canvas.data[i]);
    }
  }
  return Uint8Array.from(sums, (sum) => rint(clip(sum / SUPERSAMPLING ** 2, 0, 1) * 255));
}
