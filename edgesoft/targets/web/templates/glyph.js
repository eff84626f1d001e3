// From the ink of one character to the model's pixels: edgesoft/pictures/render.py, step by step in the same float32.

const SUPERSAMPLING = 4;
const PALEST = Math.fround(0.45);
const clip = (x, low, high) => (x < low ? low : x > high ? high : x);

// Cut out a box that may reach beyond the plane, where it is empty.
function cut(from, top, left, bottom, right) {
  const out = plane(bottom - top, right - left);
  for (let y = Math.max(top, 0); y < Math.min(bottom, from.height); y++) {
    for (let x = Math.max(left, 0); x < Math.min(right, from.width); x++) {
      out.data[(y - top) * out.width + x - left] = from.data[y * from.width + x];
    }
  }
  return out;
}

// Which rows and columns hold a pixel above a level.
function spans(ink, level) {
  const rows = new Set();
  const columns = new Set();
  for (let i = 0; i < ink.data.length; i++) {
    if (ink.data[i] > level) {
      rows.add(Math.floor(i / ink.width));
      columns.add(i % ink.width);
    }
  }
  return { rows, columns };
}

function inkBox(ink, level = 0.5) {
  const { rows, columns } = spans(ink, Math.fround(level));
  return rows.size === 0
    ? { top: 0, left: 0, bottom: ink.height, right: ink.width }
    : { top: Math.min(...rows), left: Math.min(...columns), bottom: Math.max(...rows) + 1, right: Math.max(...columns) + 1 };
}

function cropToInk(ink, margin) {
  const { top, left, bottom, right } = inkBox(ink);
  return cut(ink, top - margin, left - margin, bottom + margin, right + margin);
}

// The largest value around each pixel: of so many rows up and down, each as far to both sides as its chord.
function largestAround(from, radius, chord) {
  const { height, width, data } = from;
  const out = plane(height, width, data.slice());
  for (let down = -radius; down <= radius; down++) {
    const reach = chord(down);
    for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++) {
      for (let x = 0; x < width; x++) {
        const start = (y + down) * width;
        let largest = out.data[y * width + x];
        for (let i = start + Math.max(0, x - reach); i <= start + Math.min(width - 1, x + reach); i++) {
          largest = data[i] > largest ? data[i] : largest;
        }
        out.data[y * width + x] = largest;
      }
    }
  }
  return out;
}

// By a square: down, then across.
const dilated = (from, radius) => largestAround(largestAround(from, radius, () => 0), 0, () => radius);

function dilatedByDisc(from, radius) {
  return largestAround(from, radius, (down) => Math.floor(Math.sqrt((radius + 0.5) ** 2 - down * down)));
}

// Running sums in float64, down and then across; the plane is continued by its edge pixels.
function boxMean(from, radius) {
  const size = 2 * radius + 1;
  let out = from;
  for (const isAcross of [false, true]) {
    const next = plane(from.height, from.width);
    const [length, rows, step, stride] = isAcross
      ? [from.width, from.height, 1, from.width] : [from.height, from.width, from.width, 1];
    const totals = new Float64Array(length + size);
    for (let row = 0; row < rows; row++) {
      let total = 0;
      for (let i = 0; i < totals.length; i++) {
        total += out.data[row * stride + clip(i - radius - 1, 0, length - 1) * step];
        totals[i] = total;
      }
      for (let i = 0; i < length; i++) {
        next.data[row * stride + i * step] = (totals[i + size] - totals[i]) / size;
      }
    }
    out = next;
  }
  return out;
}

// In whole multiples of 2^-24, which add up without rounding.
const summable = (x) => rint(x * 2 ** 24) / 2 ** 24;

function strokeWidth(ink) {
  const at = (y, x) => (y < 0 || x < 0 || y >= ink.height || x >= ink.width ? 0 : ink.data[y * ink.width + x]);
  const { fround, sqrt } = Math;
  let variation = 0;
  for (let y = 0; y <= ink.height; y++) {
    for (let x = 0; x <= ink.width; x++) {
      const across = fround(at(y, x) - at(y - 1, x - 1));
      const down = fround(at(y, x - 1) - at(y - 1, x));
      variation += summable(fround(sqrt(fround(fround(across * across) + fround(down * down)) / 2)));
    }
  }
  return variation > 0 ? (2 * ink.data.reduce((sum, x) => sum + summable(x), 0)) / variation : 0;
}

function cropToMask(contrast, mask) {
  const { rows, columns } = spans(mask, 0);
  const margin = 2 + Math.floor(Math.max(rows.size, columns.size) / 8);
  const box = [
    Math.max(0, Math.min(...rows) - margin), Math.max(0, Math.min(...columns) - margin),
    Math.min(mask.height, Math.max(...rows) + 1 + margin), Math.min(mask.width, Math.max(...columns) + 1 + margin),
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
    part.data.forEach((value, i) => {
      const mass = summable(value);
      total += mass;
      down += mass * Math.floor(i / part.width);
      across += mass * (i % part.width);
    });
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
  canvas.data.forEach((value, i) => {
    const row = Math.floor(i / canvas.width / SUPERSAMPLING);
    sums[row * spec.width + Math.floor((i % canvas.width) / SUPERSAMPLING)] += summable(value);
  });
  return Uint8Array.from(sums, (sum) => rint(clip(sum / SUPERSAMPLING ** 2, 0, 1) * 255));
}
